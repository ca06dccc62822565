package route

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// maxList bounds a list of models that names are added to, in bytes; a longer one goes on as it is.
const maxList = 8 << 20

// listed adds the names of the config to a list of the default provider's models, so that apps that choose from the list
// can choose them too. Without such names the list goes on untouched.
func (t *Table) listed(ctx context.Context, r *llm.Request, reply *llm.Reply) (*llm.Reply, error) {
	if len(t.Models) == 0 || reply.Status != http.StatusOK || reply.Header.Get("Content-Encoding") != "" {
		return reply, nil
	}
	if r.Method == http.MethodHead {
		reply.Length = -1 // that of the list without them
		return reply, nil
	}
	var list []byte
	for {
		b, err := reply.Body.Next()
		list = append(list, b...)
		if err == io.EOF {
			break
		}
		if err != nil {
			reply.Close()
			return nil, err
		}
		if len(list) > maxList {
			reply.Close()
			return nil, llm.Errorf(llm.BadAnswer, "list models", nil, "The list of models is over %d MiB.", maxList>>20)
		}
	}
	key, entry := "models", t.tag
	if r.Endpoint.Dialect == llm.OpenAI {
		key, entry = "data", t.model
	}
	var out bytes.Buffer
	had := gjson.GetBytes(list, key)
	if at := had.Index; had.IsArray() && at > 0 {
		end := at + len(had.Raw) - 1 // its closing bracket
		out.Write(list[:end])
		for i, name := range t.names() {
			if i > 0 || had.Get("#").Int() > 0 {
				out.WriteByte(',')
			}
			out.Write(entry(name, had))
		}
		out.Write(list[end:])
		list = out.Bytes()
	}
	reply.Body = &text{Body: reply.Body, rest: list}
	reply.Length = int64(len(list))
	return reply, nil
}

// names are those of the config, sorted.
func (t *Table) names() []string {
	var out []string
	for name := range t.Models {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// model is name as an entry of OpenAI's list.
func (t *Table) model(name string, _ gjson.Result) []byte {
	b, _ := json.Marshal(struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}{name, "model", t.Made.Unix(), "corral"})
	return b
}

// tag is name as an entry of Ollama's list: like that of its first target where the list has it.
func (t *Table) tag(name string, list gjson.Result) []byte {
	entry := map[string]any{"size": 0, "modified_at": t.Made, "details": map[string]any{"format": "", "family": "", "families": nil, "parameter_size": "", "quantization_level": ""}}
	targets := t.Models[name].Targets
	if len(targets) > 0 && targets[0].Target.Provider == t.Default.Target.Provider {
		for _, m := range list.Array() {
			if n := m.Get("name").Str; n == targets[0].Target.Model || n == targets[0].Target.Model+":latest" {
				json.Unmarshal([]byte(m.Raw), &entry)
			}
		}
	}
	if entry["digest"] == nil { // clients show its first twelve digits
		sum := sha256.Sum256([]byte(name))
		entry["digest"] = hex.EncodeToString(sum[:])
	}
	if !strings.Contains(name, ":") {
		name += ":latest"
	}
	entry["name"], entry["model"] = name, name
	b, _ := json.Marshal(entry)
	return b
}

// text is a body that was changed.
type text struct {
	llm.Body
	rest []byte
}

func (b *text) Next() ([]byte, error) {
	if len(b.rest) == 0 {
		return nil, io.EOF
	}
	out := b.rest
	b.rest = nil
	return out, nil
}

func (b *text) More() bool { return false }
func (b *text) Last() bool { return len(b.rest) == 0 }

// own answers for one name of the config.
func (t *Table) own(r *llm.Request) *llm.Reply {
	return t.said(r.Model, t.model(r.Model, gjson.Result{}))
}

// show answers Ollama's /api/show for a name of the config that no Ollama stands behind. What its targets can is not known.
func (t *Table) show(name string) *llm.Reply {
	b, _ := json.Marshal(map[string]any{"modelfile": "# " + name + " is a name in the config of Corral\n", "parameters": "", "template": "", "model_info": map[string]any{},
		"details":      map[string]any{"parent_model": "", "format": "", "family": "", "families": nil, "parameter_size": "", "quantization_level": ""},
		"capabilities": []string{"completion"}, "modified_at": t.Made})
	return t.said(name, b)
}

// said is an answer of Corral's own about a name.
func (t *Table) said(name string, body []byte) *llm.Reply {
	return &llm.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(body)),
		Body: &text{Body: none{}, rest: body}, Provider: "corral", Model: name, Route: "model"}
}

// none is a body without anything.
type none struct{}

func (none) Next() ([]byte, error) { return nil, io.EOF }
func (none) More() bool            { return false }
func (none) Last() bool            { return true }
func (none) Usage() llm.Usage      { return llm.NoUsage }
func (none) Close()                {}
