package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

// angles makes vectors at these angles, in degrees, for questions that hold these words.
func angles(at map[string]float64) Embed {
	return func(_ context.Context, q string) (string, []float32, error) {
		for word, deg := range at {
			if strings.Contains(q, word) {
				v := make([]float32, 8)
				v[0], v[1] = float32(math.Cos(deg*math.Pi/180)), float32(math.Sin(deg*math.Pi/180))
				return "s", v, nil
			}
		}
		return "", nil, errors.New("the embedding model is away")
	}
}

func similarRules(b *bench) {
	b.rules.Similar = SimilarRules{On: true, Always: true, Threshold: 0.95, TTL: time.Hour}
	b.embed = angles(map[string]float64{"reset my router": 0, "restart my router": 12, "router at home": 5, "bake": 80})
}

func chat(question string) string {
	return fmt.Sprintf(`{"model":"m","stream":false,"messages":[{"role":"user","content":%q}]}`, question)
}

func TestAQuestionAlikeIsAnsweredFromTheCache(t *testing.T) {
	for _, x := range []struct {
		name string
		ask  string
		hit  bool
	}{
		{"other words", chat("How can I reset my router?"), true},
		{"case and spaces", chat("how do i  reset my ROUTER"), true},
		{"another thing", chat("How do I bake bread?"), false},
		{"a number vetoes", chat("How do I reset my router 2?"), false},
		{"negation vetoes", chat("How do I not reset my router?"), false},
		{"another system prompt", strings.Replace(chat("How can I reset my router?"), `"messages":[`, `"messages":[{"role":"system","content":"Answer in French."},`, 1), false},
		{"another format", strings.Replace(chat("How can I reset my router?"), `"stream"`, `"format":"json","stream"`, 1), false},
		{"tools", strings.Replace(chat("How can I reset my router?"), `"stream"`, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"stream"`, 1), false},
		{"another history", strings.Replace(chat("How can I reset my router?"), `"messages":[`, `"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},`, 1), false},
		{"no vector", chat("How may one reset that box?"), false},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, similarRules)
				defer b.c.Close()
				b.text(b.call(chat("How do I reset my router?")))
				synctest.Wait() // its vector has been made
				r := b.call(x.ask)
				reply, err := b.serve(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				defer reply.Close()
				hit := b.m.asked.Load() == 1
				if hit != x.hit || hit != (reply.Route == "similar") || hit != strings.Contains(reply.Header.Get("Cache-Status"), "detail=similar") || hit != (reply.Header.Get("Corral-Similarity") != "") ||
					hit != (r.Reuse.Free && r.Reuse.Similar) {
					t.Errorf("asked %d times; route %q, %v, %+v", b.m.asked.Load(), reply.Route, reply.Header, r.Reuse)
				}
			})
		})
	}
}

func TestSimilarAnswersKeepToTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, similarRules)
		defer b.c.Close()
		b.text(b.call(chat("How do I reset my router?")))
		synctest.Wait()
		for _, other := range []func(*llm.Request){
			func(r *llm.Request) { r.Caller.Key = "k2" },
			with("Anthropic-Beta", "x"),
			with("Cache-Control", "no-cache"),
			with("Cache-Control", "max-age=0"),
		} {
			before := b.m.asked.Load()
			b.now = b.now.Add(time.Second)
			if b.text(b.call(chat("How can I reset my router?"), other)); b.m.asked.Load() == before {
				t.Error("one caller got what was another's, or what it did not want")
			}
			synctest.Wait()
		}
		b.m.digest = "d2"
		before := b.m.asked.Load()
		if b.text(b.call(chat("How can I reset my router?"))); b.m.asked.Load() == before {
			t.Error("another model's answer was given")
		}
	})
}

// When every target has failed, an answer to a question alike is better than none, however old, and the same words are found
// without a model.
func TestLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, similarRules, func(b *bench) { b.rules.Similar.Always = false })
		defer b.c.Close()
		resort := func(r *llm.Request) { r.Plan.LastResort = []llm.LastResort{{Similar: true}} }
		b.text(b.call(chat("How do I reset my router?"), resort))
		synctest.Wait()
		b.now = b.now.Add(30 * time.Minute)
		if b.text(b.call(chat("How can I reset my router?"), resort)); b.m.asked.Load() != 2 {
			t.Error("an answer to a question alike was given though the target is there")
		}
		synctest.Wait()
		for q, want := range map[string]bool{"How could I reset my router?": true, "How do I bake bread?": false} {
			if got := b.c.LastResort(t.Context(), b.call(chat(q), resort)); (got != nil) != want {
				t.Errorf("%q: %v", q, got)
			}
		}
		if got := b.c.LastResort(t.Context(), b.call(chat("How could I reset my router?"))); got != nil {
			t.Error("given where the config names no such last resort")
		}
		b.c.o.Embed = func(context.Context, string) (string, []float32, error) { return "", nil, errors.New("away") }
		if got := b.c.LastResort(t.Context(), b.call(chat("how do I reset my router"), resort)); got == nil || got.Route != "similar" {
			t.Errorf("the same words were not found without a model: %v", got)
		}
		b.now = b.now.Add(2 * time.Hour)
		if got := b.c.LastResort(t.Context(), b.call(chat("How do I reset my router?"), resort)); got != nil {
			t.Error("given after its time")
		}
	})
}
