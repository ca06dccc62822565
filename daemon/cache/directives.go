package cache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// directives are what a caller's Cache-Control asks for (RFC 9111, section 5.2.1).
type directives struct {
	noCache      bool // the target is to be asked
	noStore      bool // the answer is not to be kept
	onlyIfCached bool // the target is not to be asked
	maxAge       time.Duration
	hasMaxAge    bool
	minFresh     time.Duration
}

// asked reads the directives of a request. Those that are not known or make no sense are passed over, but a max-age that
// cannot be read counts as zero (section 4.2.1: what is not understood is taken for stale).
func asked(h http.Header) (d directives) {
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		if p := h["Pragma"]; len(p) > 0 && strings.EqualFold(p[0], "no-cache") { // section 5.4
			d.noCache = true
		}
		return d
	}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache":
				d.noCache = true
			case "no-store":
				d.noStore = true
			case "only-if-cached":
				d.onlyIfCached = true
			case "max-age":
				d.maxAge, d.hasMaxAge = seconds(value), true
			case "min-fresh":
				d.minFresh = seconds(value)
			}
		}
	}
	return d
}

// maxSeconds is where a delta-seconds ends (RFC 9111, section 1.2.2).
const maxSeconds = 1 << 31

func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(s), `"`), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, maxSeconds)) * time.Second
}

// allow reports whether an answer of this age that stays fresh for so long is good enough.
func (d *directives) allow(age, fresh time.Duration) bool {
	return !d.noCache && !(d.hasMaxAge && age > d.maxAge) && fresh >= d.minFresh
}
