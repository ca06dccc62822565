package similar

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/ollama/ollama/api"

	"corral/testkit"
)

var update = flag.Bool("update", false, "write the cosines of testdata/near.jsonl anew, from a real Ollama")

// The cosines in testdata are those that all-MiniLM-L6-v2 gives at a real Ollama. It needs CORRAL_TEST_OLLAMA, and the model in
// the folder that CORRAL_TEST_MODELS names, which testkit/ollama/real-models.sh fills. With -update it writes them, and
// measures on the pairs in the file that CORRAL_TEST_PAIRS names too: lines of {"a", "b", "same"}, gzipped.
func TestCosines(t *testing.T) {
	dir := os.Getenv("CORRAL_TEST_MODELS")
	if dir == "" {
		testkit.Missing(t, "CORRAL_TEST_MODELS is not set: run testkit/ollama/real-models.sh DIR all-minilm, then export CORRAL_TEST_MODELS=DIR")
	}
	ollama := testkit.EmptyOllama(t)
	if out := testkit.OllamaCLI(t, ollama.Addr, "create", "all-minilm", "-f", filepath.Join(dir, "all-minilm", "Modelfile")); out.Err != nil {
		t.Fatalf("ollama create all-minilm: %v\n%s", out.Err, out.Stderr)
	}
	base, err := url.Parse(ollama.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := api.NewClient(base, http.DefaultClient)

	pairs := near(t)
	if !*update { // some of all kinds show that it is the same model, and the rest would take a busy machine minutes
		var some []pair
		for i := 0; i < len(pairs); i += 19 {
			some = append(some, pairs[i])
		}
		pairs = some
	}
	made := cosines(t, c, pairs)
	for i := range pairs {
		if math.Abs(made[i]-pairs[i].Cosine) > 0.005 && !*update {
			t.Errorf("%q, %q: cosine %.4f, the file says %.4f", pairs[i].A, pairs[i].B, made[i], pairs[i].Cosine)
		}
		pairs[i].Cosine = math.Round(made[i]*1e4) / 1e4
	}
	if *update {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		for _, p := range pairs {
			if err := enc.Encode(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(nearFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	public := publicPairs(t)
	if public == nil || !*update {
		return
	}
	hits, right, same := 0, 0, 0
	for i, cosine := range cosines(t, c, public) {
		hit, _ := Decide(public[i].A, public[i].B, cosine)
		hits += count(hit)
		right += count(hit && public[i].Same)
		same += count(public[i].Same)
	}
	precision, recall := float64(right)/float64(hits), float64(right)/float64(same)
	t.Logf("public pairs: precision %.3f, recall %.3f (%d hits, %d of them labelled the same)", precision, recall, hits, right)
	if precision < 0.95 || recall < 0.22 {
		t.Error("want precision 0.95 and recall 0.22")
	}
}

func publicPairs(t *testing.T) []pair {
	name := os.Getenv("CORRAL_TEST_PAIRS")
	if name == "" {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []pair
	for s := bufio.NewScanner(z); s.Scan(); {
		var p pair
		if err := json.Unmarshal(s.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func cosines(t *testing.T, c *api.Client, pairs []pair) []float64 {
	t.Helper()
	out := make([]float64, 0, len(pairs))
	for len(pairs) > 0 {
		n := min(32, len(pairs))
		var texts []string
		for _, p := range pairs[:n] {
			texts = append(texts, p.A, p.B)
		}
		// Its threads wait for each other without letting go of their cores. Where tests run beside each other, two of them take a
		// minute for what one does in four seconds.
		reply, err := c.Embed(t.Context(), &api.EmbedRequest{Model: "all-minilm", Input: texts, Options: map[string]any{"num_thread": 1}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			var dot, aa, bb float64
			for k, x := range reply.Embeddings[2*i] {
				y := reply.Embeddings[2*i+1][k]
				dot, aa, bb = dot+float64(x*y), aa+float64(x*x), bb+float64(y*y)
			}
			out = append(out, dot/math.Sqrt(aa*bb))
		}
		pairs = pairs[n:]
	}
	return out
}
