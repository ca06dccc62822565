package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// embedder is a target that makes vectors as Ollama or OpenAI do: of each text its length and its first byte.
func embedder(b *bench, seen *[][]string) {
	b.m.answer = func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		in := gjson.GetBytes(r.Body, embeddings[r.Endpoint.Name].input)
		var texts, vectors []string
		if in.IsArray() {
			for _, v := range in.Array() {
				texts = append(texts, v.String())
			}
		} else {
			texts = []string{in.String()}
		}
		*seen = append(*seen, texts)
		tokens := 0
		for _, s := range texts {
			vectors = append(vectors, fmt.Sprintf("[%d,%d.50]", len(s), s[0]))
			tokens += len(s)
		}
		if model := gjson.GetBytes(r.Body, "model").Str; model != "m" {
			b.t.Errorf("asked for model %q", model)
		}
		var body string
		switch r.Endpoint.Name {
		case "embed":
			body = fmt.Sprintf(`{"model":"m","embeddings":[%s],"total_duration":5,"load_duration":1,"prompt_eval_count":%d}`, strings.Join(vectors, ","), tokens)
		case "embeddings":
			body = fmt.Sprintf(`{"embedding":%s}`, vectors[0])
		default:
			for i, v := range vectors {
				vectors[i] = fmt.Sprintf(`{"object":"embedding","embedding":%s,"index":%d}`, v, i)
			}
			body = fmt.Sprintf(`{"object":"list","data":[%s],"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d}}`, strings.Join(vectors, ","), tokens, tokens)
		}
		reply := answered(b.m, body)
		reply.Body.(*pieces).usage = llm.Usage{Input: int64(tokens), Output: -1}
		return reply, nil
	}
}

func (b *bench) vectorsCall(endpoint, body string) *llm.Request {
	return b.call(body, func(r *llm.Request) {
		r.Endpoint = &llm.Endpoint{Name: endpoint, Task: llm.Embed}
		if endpoint == "v1_embeddings" {
			r.Endpoint.Dialect = llm.OpenAI
		}
		r.Stream = false
		at := strings.Index(body, `"m"`)
		r.Fields.Model = []llm.Span{{From: at, To: at + 3}}
	})
}

// Of a batch only what is not kept goes to the target, and the caller cannot tell.
func TestABatchFetchesItsMisses(t *testing.T) {
	for endpoint, path := range map[string]string{"embed": "embeddings", "v1_embeddings": "data.#.embedding"} {
		t.Run(endpoint, func(t *testing.T) {
			var seen [][]string
			b := newBench(t)
			embedder(b, &seen)
			ask := func(input string) (vectors, status string, tokens int64, r *llm.Request) {
				t.Helper()
				r = b.vectorsCall(endpoint, `{"input": `+input+`, "model": "m"}`)
				reply, err := b.serve(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				defer reply.Close()
				body, err := readAll(reply.Body)
				if err != nil || !gjson.ValidBytes(body) {
					t.Fatalf("%v: %s", err, body)
				}
				if reply.Length != int64(len(body)) {
					t.Errorf("Length %d of %d bytes", reply.Length, len(body))
				}
				return gjson.GetBytes(body, path).Raw, reply.Header.Get("Cache-Status"), gjson.GetBytes(body, embeddings[endpoint].tokens).Int(), r
			}
			if v, status, tokens, _ := ask(`["one","three"]`); v != "[[3,111.50],[5,116.50]]" || status != "corral; fwd=uri-miss; stored" || tokens != 8 {
				t.Errorf("first: %s, %s, %d tokens", v, status, tokens)
			}
			v, status, tokens, r := ask(`["three", "\u006fne", "eleven", "one", "eleven"]`)
			if v != "[[5,116.50],[3,111.50],[6,101.50],[3,111.50],[6,101.50]]" || !strings.HasPrefix(status, "corral; fwd=partial") || tokens != 5+3+6+3+6 {
				t.Errorf("second: %s, %s, %d tokens", v, status, tokens)
			}
			if r.Reuse.Free || r.Attempts != 1 {
				t.Errorf("a part was asked for, but the call says %+v after %d attempts", r.Reuse, r.Attempts)
			}
			if v, status, _, r := ask(`"eleven"`); v != "[[6,101.50]]" || !strings.HasPrefix(status, "corral; hit; ttl=3600") || !r.Reuse.Free {
				t.Errorf("third: %s, %s, %+v", v, status, r.Reuse)
			}
			if got := fmt.Sprint(seen); got != "[[one three] [eleven]]" {
				t.Errorf("the target was asked for %s", got)
			}
		})
	}
}

// What a stage holds for the part of a batch that is asked for, it gets back when the whole call is over.
func TestAPartGivesBackWhatItHolds(t *testing.T) {
	var seen [][]string
	b := newBench(t)
	embedder(b, &seen)
	if _, status := b.text(b.vectorsCall("embed", `{"input":["one"],"model":"m"}`)); status == "" {
		t.Fatal("no status")
	}
	given := ""
	answer := b.m.answer
	b.m.answer = func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		before := r.Release
		r.OverBudget, r.Release = true, func() {
			given += "part "
			if before != nil {
				before()
			}
		}
		return answer(ctx, r)
	}
	r := b.vectorsCall("embed", `{"input":["one","two"],"model":"m"}`)
	r.Release = func() { given += "whole" }
	if _, status := b.text(r); !strings.Contains(status, "partial") || given != "" || !r.OverBudget {
		t.Errorf("%s, given back: %q, %v", status, given, r.OverBudget)
	}
	if r.Release(); given != "part whole" {
		t.Errorf("given back: %q", given)
	}
}

func TestWhatChangesAVector(t *testing.T) {
	var seen [][]string
	b := newBench(t)
	embedder(b, &seen)
	for i, x := range []struct {
		endpoint, body string
		fresh          bool
	}{
		{"embed", `{"model":"m","input":"a"}`, true},
		{"embed", `{"model":"m","keep_alive":5,"input":["a"]}`, false},
		{"embed", `{"model":"m","input":"a","truncate":false}`, true},
		{"embed", `{"model":"m","input":"a","dimensions":64}`, true},
		{"embed", `{"model":"m","input":"a","options":{"num_ctx":64,"seed":1}}`, true},
		{"embed", `{"model":"m","options":{"seed":1, "num_ctx":64},"input":"a"}`, false},
		{"embeddings", `{"model":"m","prompt":"a"}`, true},
		{"embeddings", `{"model":"m","prompt":"a"}`, false},
		{"v1_embeddings", `{"model":"m","input":"a"}`, true},
		{"v1_embeddings", `{"model":"m","input":"a","user":"u"}`, false},
		{"v1_embeddings", `{"model":"m","input":"a","encoding_format":"base64"}`, true},
		{"v1_embeddings", `{"model":"m","input":[1,2]}`, true},
		{"v1_embeddings", `{"model":"m","input":[[1, 2]]}`, false},
		{"v1_embeddings", `{"model":"m","input":["[1,2]"]}`, true},
		{"embed", `{"model":"m","input":"b","input":"a"}`, true}, // which one counts is the target's affair
		{"embed", `{"model":"m","input":"b","input":"a"}`, true},
		{"embed", `{"model":"m","input":[]}`, true},
		{"embed", `{"model":"m","input":[]}`, true},
	} {
		before := b.m.asked.Load()
		r := b.vectorsCall(x.endpoint, x.body)
		if strings.Contains(x.body, "[]") || strings.Contains(x.body, "[1") || strings.Contains(x.body, "[[1") {
			was := b.m.answer
			b.m.answer = func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				return answered(b.m, `{"object":"list","data":[{"embedding":[1]}],"model":"m","usage":{"prompt_tokens":2}}`), nil
			}
			b.text(r)
			b.m.answer = was
		} else {
			b.text(r)
		}
		if fresh := b.m.asked.Load() > before; fresh != x.fresh {
			t.Errorf("%d %s %s: asked %v, want %v", i, x.endpoint, x.body, fresh, x.fresh)
		}
	}
}

// A vector of another model must not stand among those that are kept.
func TestVectorsOfTwoModelsAreNotMixed(t *testing.T) {
	var seen [][]string
	b := newBench(t)
	embedder(b, &seen)
	b.text(b.vectorsCall("embed", `{"model":"m","input":["one"]}`))
	was := b.m.answer
	b.m.answer = func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		reply, err := was(ctx, r)
		r.Target = llm.Target{Provider: "other", Model: "n"} // a fallback answered
		return reply, err
	}
	text, _ := b.text(b.vectorsCall("embed", `{"model":"m","input":["one","three"]}`))
	var got struct{ Embeddings [][]float32 }
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Embeddings) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	if fmt.Sprint(seen) != "[[one] [three] [one three]]" {
		t.Errorf("the targets were asked for %v", seen)
	}
}

// What the other target read for an answer that could not be used was paid for too; where it is known to be the other's turn it is not asked twice.
func TestAnUnusablePartIsPaidFor(t *testing.T) {
	for away, want := range map[bool]string{false: "[[one] [three] [one three]] 13", true: "[[one] [one three]] 8"} {
		var seen [][]string
		b := newBench(t, func(b *bench) { b.away = func(llm.Target) bool { return away && len(seen) > 0 } })
		embedder(b, &seen)
		b.text(b.vectorsCall("embed", `{"model":"m","input":["one"]}`))
		was := b.m.answer
		b.m.answer = func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			reply, err := was(ctx, r)
			r.Target = llm.Target{Provider: "other", Model: "n"}
			return reply, err
		}
		reply, err := b.serve(t.Context(), b.vectorsCall("embed", `{"model":"m","input":["one","three"]}`))
		if err != nil {
			t.Fatal(err)
		}
		readAll(reply.Body)
		reply.Close()
		if got := fmt.Sprint(seen, " ", reply.Body.Usage().Input); got != want {
			t.Errorf("away %v: %s, not %s", away, got, want)
		}
	}
}

// A text that stands twice in a batch costs what its target read, whether another is kept or none.
func TestEqualTextsCostOnce(t *testing.T) {
	var seen [][]string
	b := newBench(t)
	embedder(b, &seen)
	used := func(input string) int64 {
		t.Helper()
		reply, err := b.serve(t.Context(), b.vectorsCall("embed", `{"model":"m","input":`+input+`}`))
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Close()
		body, err := readAll(reply.Body)
		if n := len(gjson.GetBytes(body, "embeddings").Array()); err != nil || n != len(gjson.Parse(input).Array()) {
			t.Fatalf("%d vectors, %v: %s", n, err, body)
		}
		return reply.Body.Usage().Input
	}
	if n := used(`["one","one"]`); n != 6 {
		t.Errorf("nothing is kept: %d tokens", n)
	}
	if n := used(`["one","three","three"]`); n != 5 {
		t.Errorf("one is kept: %d tokens", n)
	}
	if got := fmt.Sprint(seen); got != "[[one one] [three]]" {
		t.Errorf("the target was asked for %s", got)
	}
}

func TestAnErrorOfTheMissesIsTheCalls(t *testing.T) {
	var seen [][]string
	b := newBench(t)
	embedder(b, &seen)
	b.text(b.vectorsCall("embed", `{"model":"m","input":["one"]}`))
	b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
		return &llm.Reply{Status: http.StatusBadRequest, Header: http.Header{}, Length: -1, Body: &pieces{left: []string{`{"error":"too long"}`}, end: io.EOF}}, nil
	}
	reply, err := b.serve(t.Context(), b.vectorsCall("embed", `{"model":"m","input":["one","three"]}`))
	if err != nil || reply.Status != 400 {
		t.Fatalf("%+v, %v", reply, err)
	}
	reply.Close()
}
