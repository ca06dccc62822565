package route

import (
	"bytes"
	"context"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
	"corral/daemon/provider"
)

// What is asked of a provider, in the words of this stage.
type (
	Needs  = provider.Needs
	Knower = provider.Knower
)

// bytesPerToken is what a token of English takes, roughly; for other texts it is less.
const bytesPerToken = 4

func needs(r *llm.Request) Needs {
	n := Needs{Tokens: len(r.Body) / bytesPerToken, Embed: r.Endpoint.Task == llm.Embed}
	if n.Embed || bytes.Contains(r.Body, []byte(`"num_ctx"`)) {
		n.Tokens = 0 // many short texts are no long one; and who sets the context's size knows what it asks
	}
	if bytes.Contains(r.Body, []byte(`"tools"`)) {
		n.Tools = gjson.GetBytes(r.Body, "tools.#").Int() > 0
	}
	for _, mark := range []string{`"images"`, `"image_url"`, `"input_image"`, `"type":"image"`, `"type": "image"`} {
		if bytes.Contains(r.Body, []byte(mark)) {
			n.Images, n.Tokens = true, 0 // a picture's bytes are no text
		}
	}
	return n
}

// able is the call's plan without the targets that cannot do what it needs. Where none can, the plan stays as it is: the
// first one's own words say best why not.
func able(ctx context.Context, r *llm.Request) *llm.Plan {
	if r.Endpoint.Task != llm.Generate && r.Endpoint.Task != llm.Embed {
		return r.Plan
	}
	n := needs(r)
	var left []llm.Candidate
	for _, x := range r.Plan.Candidates {
		if k, ok := x.Handler.(Knower); ok && !k.Able(ctx, x.Target.Model, n) {
			continue
		}
		left = append(left, x)
	}
	if len(left) == 0 || len(left) == len(r.Plan.Candidates) {
		return r.Plan
	}
	left[0].Target.Why = "capable"
	return &llm.Plan{Candidates: left, LastResort: r.Plan.LastResort, LocalOnly: r.Plan.LocalOnly}
}
