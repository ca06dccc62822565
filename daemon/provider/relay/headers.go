package relay

import (
	"net/http"
	"net/textproto"
	"strings"

	"corral/daemon/llm"
)

// passedOn is what of the caller's headers a target may see. Left behind are those of one connection (RFC 9110, section
// 7.6.1), those with which a browser speaks of itself, those that claim where a call came from, Corral's own, and, where
// ownKey says that the provider has a key of its own or the caller's was for Corral, the caller's credentials.
func passedOn(in http.Header, ownKey bool) http.Header {
	out := make(http.Header, len(in)+2)
	for k, vs := range in {
		if stays(k) || ownKey && (k == "Authorization" || k == "X-Api-Key") {
			continue
		}
		out[k] = vs
	}
	for _, list := range in["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			delete(out, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	return out
}

func stays(k string) bool {
	switch k {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Content-Length", "Accept-Encoding", "Host", "Origin", "Referer", "Cookie", "Dnt", "Priority",
		"Forwarded", "Via", "X-Real-Ip", "X-Request-Id", "Access-Control-Request-Method", "Access-Control-Request-Headers":
		return true
	}
	return strings.HasPrefix(k, "Corral-") || strings.HasPrefix(k, "Sec-") || strings.HasPrefix(k, "X-Forwarded-") || strings.HasPrefix(k, "Proxy-")
}

// trace tells the target which W3C trace the call is part of: what the caller said of it, with Corral's own part as the parent
// where it has one. An id that the caller's other programs know, and what they keep in a baggage, leave this device only where the
// config says so.
func (p *Relay) trace(r *llm.Request, out http.Header) {
	told := r.Target.Away == "" || p.o.TraceAway
	for _, k := range [...]string{"Traceparent", "Tracestate", "Baggage"} {
		if v := r.Header[k]; told && len(v) > 0 {
			out[k] = v
		} else {
			delete(out, k)
		}
	}
	if told && r.Traceparent != "" {
		out["Traceparent"] = []string{r.Traceparent}
	}
}

// handedBack is what of a target's headers the caller gets: what describes the body, and what the clients of each dialect
// read. Cookies, CORS and the like of a target are not Corral's.
func handedBack(in http.Header) http.Header {
	out := make(http.Header, len(in)+6)
	for k, vs := range in {
		switch k {
		case "Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Content-Range", "Accept-Ranges",
			"Etag", "Last-Modified", "Location", "Retry-After", "Allow", "Warning", "Cache-Control", "Request-Id", "X-Should-Retry":
			out[k] = vs
		default:
			if strings.HasPrefix(k, "X-Ratelimit-") || strings.HasPrefix(k, "Anthropic-") || strings.HasPrefix(k, "Openai-") {
				out[k] = vs
			}
		}
	}
	return out
}
