package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/spf13/cobra"

	"corral/daemon/cache/similar"
	"corral/daemon/config"
)

func (e *env) cache() *cobra.Command {
	c := &cobra.Command{
		Use: "cache", Short: "What is answered from the cache, and why",
		Example: `  corral cache stats
  corral cache clear --model llama3.2
  corral cache explain "How do I reset my router?" "How can I reset my router?"
  corral cache explain --jsonl < pairs.jsonl`,
	}
	c.AddCommand(e.cacheStats(), e.cacheList(), e.cacheShow(), e.cacheClear(), e.cacheExplain())
	return c
}

// alike is what explain says of a pair.
type alike struct {
	Hit        bool    `json:"hit"`
	Similarity float64 `json:"similarity"` // cosine, -1 to 1
	Veto       string  `json:"veto"`       // empty: none
	verdict    similar.Verdict
}

func (e *env) cacheExplain() *cobra.Command {
	var jsonl bool
	var model, server string
	var threshold float64
	c := e.asJSON(&cobra.Command{
		Use: "explain [QUESTION QUESTION]", Short: "Say whether two questions are alike enough to share an answer",
		Long: `Say whether two questions are alike enough to share an answer: how near each other they are, by an embedding
model at Ollama, and what in their words speaks against it. Corral need not be running.

With --jsonl it reads lines such as {"a": "a question", "b": "another"} and prints a line for each:
{"hit": false, "similarity": 0.97, "veto": "numbers: 12, not 20"}.
A line that is no such pair gives {"error": "line 2: ..."} in its place, and the end is then 1.`,
		Example: `  corral cache explain "Is it safe to eat raw eggs?" "Is it unsafe to eat raw eggs?"
  corral cache explain --jsonl < pairs.jsonl > verdicts.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case jsonl && len(args) > 0:
				return errors.New("with --jsonl the questions come from standard input, not from the command line")
			case !jsonl && len(args) != 2:
				return fmt.Errorf("two questions are needed, each in quotes, not %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			x, err := e.explainer(model, server)
			if err != nil {
				return err
			}
			if c.Flags().Changed("threshold") {
				if !(threshold > 0 && threshold <= 1) {
					return fmt.Errorf("--threshold %v is out of range; use a number over 0 and up to 1, such as 0.95", threshold)
				}
				x.threshold = threshold
			}
			if jsonl {
				return x.lines(c.Context(), e.in, e.out)
			}
			found, err := x.explain(c.Context(), [][2]string{{args[0], args[1]}})
			if err != nil {
				return err
			}
			if e.json {
				return e.print(found[0])
			}
			e.tellAlike(found[0], x.threshold)
			return nil
		},
	})
	f := c.Flags()
	f.BoolVar(&jsonl, "jsonl", false, `read {"a","b"} lines from standard input and print a line for each`)
	f.StringVar(&model, "model", "", "embedding model (default: cache.similar.model of the config, or all-minilm)")
	f.StringVar(&server, "ollama", "", "address of an Ollama (default: the first one of the config)")
	f.Float64Var(&threshold, "threshold", 0, "from which the limits are reckoned (docs/cache.md); default cache.similar.threshold")
	return c
}

// tellAlike names the limit that decided, which is the threshold less what the words allow.
func (e *env) tellAlike(a alike, threshold float64) {
	said, limit := "They may share an answer.", fmt.Sprintf("%.4g is enough", a.verdict.Enough(threshold))
	switch v := a.verdict; {
	case v.Veto != "":
		said, limit = "They must not share an answer.", "none is enough against a veto"
	case a.Veto != "":
		said = "They must not share an answer."
		limit += " with such a difference"
	case !a.Hit:
		said = "They are not near enough to share an answer."
	case v.Doubt != "":
		limit += ": the words differ in little"
	default:
		limit += ": the words agree"
	}
	sayf(e.out, "%s\nSimilarity: %.4f (%s)\n", said, a.Similarity, limit)
	if a.Veto != "" {
		sayf(e.out, "Veto:       %s\n", a.Veto)
	}
}

// explainer embeds questions and judges them.
type explainer struct {
	api       *api.Client
	server    string
	model     string
	threshold float64
}

func (e *env) explainer(model, server string) (*explainer, error) {
	conf, _, err := config.NewSource(e.configFlag, nil).Load()
	if err != nil {
		return nil, err
	}
	x := &explainer{model: cmp.Or(model, conf.Cache.Similar.Model, "all-minilm"), threshold: conf.Cache.Similar.Threshold, server: server}
	if x.server == "" {
		for _, p := range conf.Providers {
			if p.Kind == config.KindOllama {
				x.server = p.URL
				break
			}
		}
	}
	if x.server == "" {
		return nil, errors.New("the config has no provider of kind ollama; name a server with --ollama http://127.0.0.1:11434")
	}
	if !strings.Contains(x.server, "://") {
		x.server = "http://" + x.server
	}
	base, err := url.Parse(x.server)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("--ollama %q is no address; it should look like http://127.0.0.1:11434", server)
	}
	x.api = api.NewClient(base, &http.Client{Transport: &http.Transport{Proxy: nil}})
	return x, nil
}

// pairsAtOnce is how many pairs are embedded in one request.
const pairsAtOnce = 64

// lines explains the pairs of a stream, some at a time, so that it may be of any length, and each as soon as there is no more to be read. A
// line that is no pair has its error in the verdict's place, and those after it are explained all the same.
func (x *explainer) lines(ctx context.Context, in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 1<<16)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	wrong := uint64(0)
	for n, done := 0, false; !done; {
		var pairs [][2]string
		var whys []error // of each line; nil: it is the next of pairs
		for len(whys) < pairsAtOnce && !done && (len(whys) == 0 || r.Buffered() > 0) {
			line, err := r.ReadBytes('\n')
			if err != nil && err != io.EOF {
				return fmt.Errorf("read standard input: %w", err)
			}
			done = err == io.EOF
			n++
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			pair, err := readPair(line)
			if err == nil {
				pairs = append(pairs, pair)
			} else {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			whys = append(whys, err)
		}
		found, err := x.explain(ctx, pairs)
		if err != nil {
			return err
		}
		for _, why := range whys {
			var line any = lineError{why}
			if why == nil {
				line, found = found[0], found[1:]
			} else {
				wrong++
			}
			if err := enc.Encode(line); err != nil {
				return err
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s of standard input could not be read; each has an error in its place", plural(wrong, "line", "lines"))
	}
	return nil
}

// lineError is what is printed for a line that is no pair.
type lineError struct{ error }

func (e lineError) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"error": e.Error()})
}

func readPair(line []byte) (pair [2]string, err error) {
	var p struct{ A, B *string }
	if err := json.Unmarshal(line, &p); err != nil {
		return pair, err
	}
	if p.A == nil || p.B == nil {
		return pair, errors.New(`it has no "a" or no "b"; a line is {"a": "a question", "b": "another"}`)
	}
	return [2]string{*p.A, *p.B}, nil
}

func (x *explainer) explain(ctx context.Context, pairs [][2]string) ([]alike, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	at := map[string]int{}
	var texts []string
	for _, p := range pairs {
		for _, t := range p {
			if _, known := at[t]; !known {
				at[t] = len(texts)
				texts = append(texts, t)
			}
		}
	}
	reply, err := x.api.Embed(ctx, &api.EmbedRequest{Model: x.model, Input: texts})
	var status api.StatusError
	switch {
	case errors.As(err, &status) && status.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s has no model %q; get it with `ollama pull %s`, or name another with --model", x.server, x.model, x.model)
	case errors.As(err, &status):
		return nil, fmt.Errorf("embed with %s at %s: %w (is it an embedding model? `ollama pull all-minilm` gets one)", x.model, x.server, err)
	case err != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("no Ollama answers at %s; start it with `ollama serve`, or name another with --ollama: %w", x.server, err)
	case err != nil:
		return nil, err
	case len(reply.Embeddings) != len(texts):
		return nil, fmt.Errorf("%s gave %d vectors for %d texts", x.server, len(reply.Embeddings), len(texts))
	}
	out := make([]alike, len(pairs))
	for i, p := range pairs {
		cos := cosine(reply.Embeddings[at[p[0]]], reply.Embeddings[at[p[1]]])
		v := similar.Compare(p[0], p[1])
		hit, veto := v.At(x.threshold, cos)
		out[i] = alike{hit, math.Round(cos*1e6) / 1e6, veto, v}
	}
	return out, nil
}

// cosine of two vectors; 0 when one is nothing.
func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range min(len(a), len(b)) {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return dot / math.Sqrt(aa*bb)
}
