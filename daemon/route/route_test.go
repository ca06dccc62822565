package route_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
	"corral/daemon/route"
)

// fake is a provider that answers calls of some dialects with a text of its own.
type fake struct {
	name   string
	can    []llm.Dialect
	status int
	header http.Header
	text   string
}

func (p *fake) Name() string                { return p.name }
func (p *fake) Probe(context.Context) error { return nil }
func (p *fake) Close()                      {}
func (p *fake) Can(ep *llm.Endpoint) bool {
	for _, d := range p.can {
		if d == ep.Dialect {
			return true
		}
	}
	return false
}
func (p *fake) Serve(context.Context, *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: max(p.status, 200), Header: p.header, Length: int64(len(p.text)), Body: &pieces{rest: p.text}}, nil
}

// pieces is a body that comes in small parts.
type pieces struct {
	rest   string
	closed int
}

func (b *pieces) Next() ([]byte, error) {
	if b.rest == "" {
		return nil, io.EOF
	}
	n := min(7, len(b.rest))
	out := b.rest[:n]
	b.rest = b.rest[n:]
	return []byte(out), nil
}
func (b *pieces) More() bool       { return b.rest != "" }
func (b *pieces) Last() bool       { return b.rest == "" }
func (b *pieces) Usage() llm.Usage { return llm.NoUsage }
func (b *pieces) Close()           { b.closed++ }

func target(p *fake, model string) route.Target {
	return route.Target{Target: llm.Target{Provider: p.name, Model: model, Why: "model"}, Provider: p}
}

var all = []llm.Dialect{llm.Ollama, llm.OpenAI, llm.Anthropic}

// first is the last stage: it asks the plan's first candidate.
var first = llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return r.Plan.Candidates[0].Handler.Serve(ctx, r)
})

func table(ollama, cloud *fake) *route.Table {
	return &route.Table{
		Default: route.Target{Target: llm.Target{Provider: ollama.name, Why: "default"}, Provider: ollama},
		Models: map[string]*route.Model{
			"chat":  {Targets: []route.Target{target(ollama, "llama"), target(cloud, "gpt")}},
			"cloud": {Targets: []route.Target{target(cloud, "gpt"), target(ollama, "llama")}},
			"only":  {Targets: []route.Target{target(cloud, "gpt")}},
			"v:1b":  {Targets: []route.Target{target(cloud, "gpt")}},
			"spare": {Targets: []route.Target{target(cloud, "gpt")}, LastResort: []llm.LastResort{{Static: "away"}}},
		},
		Away: func(model string) string {
			if strings.HasSuffix(model, "-cloud") {
				return "ollama.com"
			}
			return ""
		},
		Made: time.Unix(1700000000, 0).UTC(),
	}
}

func TestWhereACallMayGo(t *testing.T) {
	ollama, cloud := &fake{name: "local", can: all}, &fake{name: "cloud", can: []llm.Dialect{llm.OpenAI}}
	chat := &llm.Endpoint{Name: "chat", Dialect: llm.Ollama, Task: llm.Generate}
	completions := &llm.Endpoint{Name: "chat_completions", Dialect: llm.OpenAI, Task: llm.Generate}
	for _, c := range []struct {
		ep    *llm.Endpoint
		model string
		want  string // provider/model of each, and where its text goes; empty: unsupported
	}{
		{completions, "chat", "local/llama cloud/gpt"},
		{completions, "cloud", "cloud/gpt local/llama"},
		{chat, "cloud", "local/llama"}, // the first does not speak it
		{chat, "chat:latest", "local/llama"},
		{completions, "v:1b", "cloud/gpt"},
		{completions, "v:1b:latest", "cloud/gpt"},
		{completions, "v", "local/"},
		{completions, "Chat", "local/"}, // names are told apart by case
		{chat, "unknown", "local/"},
		{chat, "", "local/"},
		{chat, "big-cloud", "local/>ollama.com"},
		{chat, "only", ""},
		{chat, "spare", "-"}, // nobody but the last resort
		{&llm.Endpoint{Name: "delete", Task: llm.Manage}, "chat", "local/"},
		{&llm.Endpoint{Name: "pull", Task: llm.Manage}, "only", "local/"},
		{&llm.Endpoint{Name: "show"}, "chat", "local/llama"},
	} {
		x := route.New(table(ollama, cloud))
		r := &llm.Request{Endpoint: c.ep, Model: c.model, Path: "/p"}
		var got []string
		_, err := x.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
			for _, k := range r.Plan.Candidates {
				s := k.Target.Provider + "/" + k.Target.Model
				if k.Target.Away != "" {
					s += ">" + k.Target.Away
				}
				got = append(got, s)
			}
			if len(got) == 0 {
				got = []string{strings.Repeat("-", len(r.Plan.LastResort))}
			} else if r.Target.Provider != r.Plan.Candidates[0].Target.Provider {
				t.Errorf("%s %q: the target is %+v", c.ep.Name, c.model, r.Target)
			}
			return &llm.Reply{Body: &pieces{}}, nil
		})).Serve(t.Context(), r)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %q: %q, want %q", c.ep.Name, c.model, got, c.want)
		}
		if c.want == "" && (err == nil || llm.AsError(err).Kind != llm.Unsupported || !strings.Contains(llm.AsError(err).Message, "/p")) {
			t.Errorf("%s %q: %v", c.ep.Name, c.model, err)
		}
	}
}

// passing is a server on this device that passes some models on.
type passing struct {
	fake
	away map[string]string
}

func (p *passing) Forwards(_ context.Context, _ *llm.Request, model string, _ bool) (string, *llm.Error) {
	return p.away[model], nil
}
func (p *passing) Sending(*llm.Request, string) func() (string, bool) { return nil }

// TestWhereTheTextOfACallWouldGo: to the first provider, which may be on another machine, or to where an Ollama on this one passes it on.
func TestWhereTheTextOfACallWouldGo(t *testing.T) {
	here := &passing{fake{name: "here", can: all}, map[string]string{"mine": "far", "llama": "", "*": "?"}}
	there := &fake{name: "there", can: all}
	form := func(parts ...string) string {
		return "--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	part := func(name, value string) string {
		return "Content-Disposition: form-data; name=" + strconv.Quote(name) + "\r\n\r\n" + value
	}
	chat, unknown := &llm.Endpoint{Name: "chat", Method: "POST", Dialect: llm.Ollama, Task: llm.Generate}, &llm.Endpoint{Name: "other"}
	for _, c := range []struct {
		name           string
		ep             *llm.Endpoint
		model          string
		query, body    string
		ofHere, ofElse string // by the first provider: on this device, and elsewhere
	}{
		{"a model of its own", chat, "llama", "", "", "", "box.lan"},
		{"one that it passes on", chat, "mine", "", "", "far", "box.lan"},
		{"by its tag", chat, "big-cloud", "", "", "ollama.com", "box.lan"},
		{"a name of the config", chat, "team", "", "", "far", "far"},
		{"what carries no text", &llm.Endpoint{Name: "show", Method: "POST", Task: llm.Read}, "mine", "", "", "", "box.lan"},
		{"what changes models", &llm.Endpoint{Name: "create", Method: "POST", Task: llm.Manage}, "mine", "", "", "", "box.lan"},
		{"a list", &llm.Endpoint{Name: "tags", Method: "GET", Task: llm.Read}, "", "", "", "", "box.lan"},
		{"a count of tokens", &llm.Endpoint{Name: "count_tokens", Method: "POST"}, "mine", "", "", "far", "box.lan"},
		{"unknown", unknown, "", "", `{"model":"mine"}`, "far", "box.lan"},
		{"unknown, for its own", unknown, "", "", `{"model":"llama"}`, "", "box.lan"},
		{"unknown, with two names", unknown, "", "", `{"model":"mine","Model":"llama"}`, "far", "box.lan"},
		{"unknown, in the query", unknown, "", "model=mine", `{"model":"llama"}`, "far", "box.lan"},
		{"unknown, by its tag", unknown, "", "", `{"model":"llama","MODEL":"big-cloud"}`, "ollama.com", "box.lan"},
		{"unknown, without any", unknown, "", "", `{"x":1}`, "", "box.lan"},
		{"unknown, without a body", unknown, "", "", "", "", "box.lan"},
		{"a form", unknown, "", "", form(part("file", "sounds"), part("model", "mine")), "far", "box.lan"},
		{"a form with two names", unknown, "", "", form(part("model", "llama"), part("model", "mine")), "far", "box.lan"},
		{"a form for its own", unknown, "", "", form(part("model", "llama")), "", "box.lan"},
		{"a form without a name", unknown, "", "", form(part("file", "sounds")), "?", "box.lan"},
		{"a form that breaks off", unknown, "", "", form(part("model", "llama"))[:60], "?", "box.lan"},
		{"a form with a name behind spaces", unknown, "", "", form(part("model", strings.Repeat(" ", 600)+"mine")), "?", "box.lan"},
		{"a form of very many parts", unknown, "", "", form(append(slices.Repeat([]string{part("x", "")}, 200), part("model", "llama"))...), "?", "box.lan"},
		{"neither JSON nor a form", unknown, "", "", "sounds", "?", "box.lan"},
	} {
		for _, elsewhere := range []bool{false, true} {
			table := &route.Table{Default: route.Target{Target: llm.Target{Provider: "here", Why: "default"}, Provider: here},
				Models: map[string]*route.Model{"team": {Targets: []route.Target{{Target: llm.Target{Provider: "here", Model: "mine"}, Provider: here}}}},
				Away: func(model string) string {
					switch {
					case elsewhere:
						return "box.lan"
					case strings.HasSuffix(model, "-cloud"):
						return "ollama.com"
					}
					return ""
				}}
			want := c.ofHere
			if elsewhere {
				table.Default.Provider, want = there, c.ofElse
			}
			r := &llm.Request{Endpoint: c.ep, Method: "POST", Model: c.model, Path: "/p", Query: c.query, Body: []byte(c.body), Header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}}
			got := "not asked"
			route.New(table).Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
				if got = r.Plan.Candidates[0].Target.Away; r.Target.Provider != "" && r.Target.Away != got {
					t.Errorf("%s: the target is %+v", c.name, r.Target)
				}
				return &llm.Reply{Status: 200, Body: &pieces{}}, nil
			})).Serve(t.Context(), r)
			if got != want {
				t.Errorf("%s, first provider elsewhere %v: %q, want %q", c.name, elsewhere, got, want)
			}
		}
	}
}

func TestAnotherTableIsForCallsToCome(t *testing.T) {
	one, two := &fake{name: "one", can: all, text: "one"}, &fake{name: "two", can: all, text: "two"}
	x := route.New(table(one, one))
	h := x.Stage(first)
	for _, p := range []*fake{one, two} {
		next := table(p, p)
		x.Set(next)
		if x.Table() != next {
			t.Error("another table is in force")
		}
		reply, err := h.Serve(t.Context(), &llm.Request{Endpoint: &llm.Endpoint{Name: "chat", Task: llm.Generate}, Model: "chat"})
		if err != nil || read(t, reply) != p.text {
			t.Errorf("%v", err)
		}
	}
}

func read(t *testing.T, reply *llm.Reply) string {
	t.Helper()
	var b strings.Builder
	for {
		p, err := reply.Body.Next()
		b.Write(p)
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesStandInTheListsOfModels(t *testing.T) {
	tags := &llm.Endpoint{Name: "tags", Method: "GET", NoBody: true}
	models := &llm.Endpoint{Name: "models", Method: "GET", Dialect: llm.OpenAI, NoBody: true}
	own := " chat:latest cloud:latest only:latest spare:latest v:1b"
	for _, c := range []struct {
		name string
		ep   *llm.Endpoint
		list string
		want string // names
	}{
		{"Ollama", tags, `{ "models" : [ {"name":"llama:latest","model":"llama:latest","digest":"d1","new":1} ] , "more":1}`, "llama:latest" + own},
		{"Ollama without any", tags, `{"models":[]}`, strings.TrimSpace(own)},
		{"Ollama without any, with a space", tags, `{"models":[ ]}`, strings.TrimSpace(own)},
		{"OpenAI", models, `{"object":"list","data":[{"id":"a"},{"id":"b"}]}`, "a b chat cloud only spare v:1b"},
		{"OpenAI without any", models, `{"object":"list","data":[]}`, "chat cloud only spare v:1b"},
		{"null", tags, `{"models":null}`, ""},
		{"no list", tags, `{"error":"x"}`, ""},
		{"no JSON", tags, `<html>`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ollama := &fake{name: "local", can: all, text: c.list, header: http.Header{"Content-Type": {"application/json"}}}
			reply, err := route.New(table(ollama, ollama)).Stage(first).Serve(t.Context(), &llm.Request{Endpoint: c.ep, Method: "GET"})
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, reply)
			if reply.Length != int64(len(got)) {
				t.Errorf("length %d of %d", reply.Length, len(got))
			}
			if c.want == "" {
				if got != c.list {
					t.Errorf("%q became %q", c.list, got)
				}
				return
			}
			if !gjson.Valid(got) {
				t.Fatalf("no JSON: %s", got)
			}
			var names []string
			for _, path := range []string{"models.#.name", "data.#.id"} {
				for _, n := range gjson.Get(got, path).Array() {
					names = append(names, n.Str)
				}
			}
			if strings.Join(names, " ") != c.want {
				t.Errorf("%q, want %q", names, c.want)
			}
			if at := strings.LastIndex(c.list, "}"); !strings.HasPrefix(got, c.list[:strings.LastIndex(c.list[:at], "]")]) { // what was there is there byte for byte
				t.Errorf("%s\nbecame %s", c.list, got)
			}
		})
	}
	t.Run("an entry is like that of its target", func(t *testing.T) {
		ollama := &fake{name: "local", can: all, text: `{"models":[{"name":"llama:latest","model":"llama:latest","size":7,"digest":"d1"}]}`}
		reply, err := route.New(table(ollama, &fake{name: "cloud"})).Stage(first).Serve(t.Context(), &llm.Request{Endpoint: tags, Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, reply)
		chat, cloud := gjson.Get(got, `models.#(name=="chat:latest")`), gjson.Get(got, `models.#(name=="cloud:latest")`)
		if chat.Get("size").Int() != 7 || chat.Get("digest").Str != "d1" || chat.Get("model").Str != "chat:latest" {
			t.Errorf("%s", chat)
		}
		if len(cloud.Get("digest").Str) != 64 || cloud.Get("size").Int() != 0 {
			t.Errorf("%s", cloud)
		}
	})
	t.Run("untouched", func(t *testing.T) {
		for what, f := range map[string]func(*fake, *route.Table){
			"no names":   func(_ *fake, t *route.Table) { t.Models = nil },
			"an error":   func(p *fake, _ *route.Table) { p.status = 500 },
			"compressed": func(p *fake, _ *route.Table) { p.header = http.Header{"Content-Encoding": {"gzip"}} },
		} {
			p := &fake{name: "local", can: all, text: `{"models":[]}`}
			tbl := table(p, p)
			f(p, tbl)
			reply, err := route.New(tbl).Stage(first).Serve(t.Context(), &llm.Request{Endpoint: tags, Method: "GET"})
			if err != nil || read(t, reply) != `{"models":[]}` {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		p := &fake{name: "local", can: all, text: `{"models":[]}`}
		reply, err := route.New(table(p, p)).Stage(first).Serve(t.Context(), &llm.Request{Endpoint: tags, Method: "HEAD"})
		if err != nil || reply.Length != -1 {
			t.Errorf("%v %+v: the length of the list without the names", err, reply)
		}
	})
	t.Run("too long", func(t *testing.T) {
		p := &fake{name: "local", can: all, text: strings.Repeat("x", 9<<20)}
		var body *pieces
		_, err := route.New(table(p, p)).Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			reply, err := first(ctx, r)
			body = reply.Body.(*pieces)
			return reply, err
		})).Serve(t.Context(), &llm.Request{Endpoint: tags, Method: "GET"})
		if err == nil || llm.AsError(err).Kind != llm.BadAnswer || body.closed == 0 {
			t.Errorf("%v, closed %d times", err, body.closed)
		}
	})
}

func TestOneNameOfTheConfig(t *testing.T) {
	p := &fake{name: "local", can: all, text: "the server's"}
	h := route.New(table(p, p)).Stage(first)
	ep := &llm.Endpoint{Name: "model", Method: "GET", Dialect: llm.OpenAI, NoBody: true}
	for model, want := range map[string]string{"chat": `{"id":"chat","object":"model","created":1700000000,"owned_by":"corral"}`, "llama": "the server's"} {
		reply, err := h.Serve(t.Context(), &llm.Request{Endpoint: ep, Method: "GET", Model: model})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, reply); got != want || reply.Length != int64(len(want)) {
			t.Errorf("%s: %s %d", model, got, reply.Length)
		}
		reply.Close()
	}
}

func TestTargetsThatCannotDoWhatIsAskedAreLeftOut(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":[]}`: "a b",
		`{"tools":[{"type":"function"}],"messages":[]}`:                  "b",
		`{"tools":[],"messages":[]}`:                                     "a b",
		`{"messages":[{"images":["x"]}]}`:                                "b",
		`{"messages":[{"content":[{"type":"image_url"}]}]}`:              "b",
		`{"messages":[{"content":"` + strings.Repeat("x", 8000) + `"}]}`: "b",
	} {
		weak, strong := &knower{fake: fake{name: "a", can: all}}, &knower{fake: fake{name: "b", can: all}, able: true}
		tbl := table(&weak.fake, &strong.fake)
		tbl.Models = map[string]*route.Model{"m": {Targets: []route.Target{{Target: llm.Target{Provider: "a"}, Provider: weak}, {Target: llm.Target{Provider: "b"}, Provider: strong}}}}
		var got []string
		route.New(tbl).Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
			for _, k := range r.Plan.Candidates {
				got = append(got, k.Target.Provider)
			}
			return nil, nil
		})).Serve(t.Context(), &llm.Request{Endpoint: &llm.Endpoint{Name: "chat", Task: llm.Generate}, Model: "m", Body: []byte(body)})
		if fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("%.60s: %v, want %s", body, got, want)
		}
	}
}

// knower is a fake that knows what its model can do: all, or only short texts.
type knower struct {
	fake
	able bool
}

func (k *knower) Able(_ context.Context, _ string, n route.Needs) bool {
	return k.able || !n.Tools && !n.Images && n.Tokens < 1000
}

// A name that no Ollama stands behind is listed, so a client of Ollama that looks at it before it asks finds it.
func TestANameWithoutAnOllamaIsShown(t *testing.T) {
	ollama, cloud := &fake{name: "local", can: all}, &fake{name: "cloud", can: []llm.Dialect{llm.OpenAI}}
	reply, err := route.New(table(ollama, cloud)).Stage(first).Serve(t.Context(), &llm.Request{Endpoint: &llm.Endpoint{Name: "show", Dialect: llm.Ollama}, Model: "only:latest", Path: "/api/show"})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := reply.Body.Next()
	var shown struct{ Capabilities []string }
	if err := json.Unmarshal(b, &shown); err != nil || reply.Status != 200 || !slices.Contains(shown.Capabilities, "completion") {
		t.Errorf("%d %s %v", reply.Status, b, err)
	}
}
