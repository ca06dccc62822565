package budget

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// What a call may use at most is reckoned from its bytes: counting tokens would take longer than the rest of Corral's work.
const (
	bytesPerToken = 2         // texts have three or four, and a body is more than its texts
	addedTokens   = 500       // what a provider puts before the caller's text: its own words about tools and the like
	pictureTokens = 10_000    // a picture's bytes say nothing of its tokens
	defaultOutput = 4096      // of a call that does not say how long its answer may be
	maxOutput     = 1_000_000 // more than any model gives
	maxChoices    = 128
)

// tokens are those that r may use at most, of its prompt and of its answer.
func tokens(r *llm.Request) (in, out int64) {
	in = int64(size(r.Body)/bytesPerToken) + addedTokens
	if r.Endpoint.Task == llm.Embed {
		return in, 0
	}
	f := &r.Fields
	out = f.MaxOutput
	if o := f.Options; o.To > o.From && o.To <= len(r.Body) {
		gjson.ParseBytes(r.Body[o.From:o.To]).ForEach(func(k, v gjson.Result) bool {
			if strings.EqualFold(k.Str, "num_predict") {
				out = max(out, v.Int())
			}
			return true
		})
	}
	if out <= 0 {
		out = defaultOutput
	}
	answers := max(f.Choices, 1)
	if r.Endpoint.Name == "completions" {
		answers *= max(gjson.GetBytes(r.Body, "prompt.#").Int(), 1) // each of many prompts gets its own
	}
	return in, min(out, maxOutput) * min(answers, maxChoices)
}

// pictureMark is part of every name under which a call may have pictures: images, image_url, input_image, and the type image.
var pictureMark = []byte("image")

// size is the length of a body in bytes, but for its pictures, which count as what they are.
func size(body []byte) int {
	if bytes.Contains(body, pictureMark) {
		return sizeOf("", "", gjson.ParseBytes(body))
	}
	return len(body)
}

// sizeOf is the size of the value under key, in an object that says of its bytes that they are of the type media.
func sizeOf(key, media string, v gjson.Result) int {
	const picture = pictureTokens * bytesPerToken
	switch {
	case v.IsArray():
		n := 2
		v.ForEach(func(_, x gjson.Result) bool {
			n += sizeOf(key, media, x) + 1
			return true
		})
		return n
	case v.IsObject():
		n, media := 2, v.Get("media_type").Str
		if key == "image_url" { // as OpenAI's chat has it: an object with the address
			media = "image/"
		}
		v.ForEach(func(k, x gjson.Result) bool {
			n += len(k.Raw) + 2 + sizeOf(k.Str, media, x)
			return true
		})
		return n
	case v.Type != gjson.String:
		return len(v.Raw)
	}
	switch {
	case key == "images", key == "image_url", strings.HasPrefix(v.Str, "data:image/"),
		strings.HasPrefix(media, "image/") && (key == "data" || key == "url"):
		return picture
	case key == "url" && media == "": // Anthropic's, of a picture that the provider fetches
		return picture
	}
	return len(v.Raw)
}
