package daemon_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/event"
	"corral/daemon/library"
	"corral/testkit"
	"corral/testkit/ollama/registry"
	"corral/testkit/ollama/tinygen"
)

// find is a model of a library, by its whole name.
func find(l admin.Library, name string) *library.Model {
	for i := range l.Models {
		if l.Models[i].Name == name {
			return &l.Models[i]
		}
	}
	return nil
}

// TestModelsOfARealOllama: what it has is listed, pulled, loaded, let go and removed.
func TestModelsOfARealOllama(t *testing.T) {
	source := testkit.EmptyOllama(t)
	m := tinygen.DefaultChat()
	m.Seed = 11
	source.CreateChatModel("small", m)
	m.Layers, m.FF, m.Seed = 32, 1024, 12
	source.CreateChatModel("large", m)
	models := filepath.Join(source.Home, "models")
	ollama := testkit.Ollama(t)
	ollama.CreateBrokenModel("broken")
	corral := boot(t, testkit.InFrontOf(ollama)+"models: [ { name: chat, targets: [ { provider: local, model: tiny } ] } ]\n")
	api, h := corral.api(), corral.follow(client.EventOptions{After: "0"})
	list := func() admin.Library {
		t.Helper()
		l, err := api.Library(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	status := func(err error) int {
		var e *client.Error
		if !errors.As(err, &e) {
			return 0
		}
		return e.Status
	}

	all := list()
	if len(all.Models) != 5 || len(all.Servers) != 1 || !all.Servers[0].Keeps || all.Servers[0].Folder != filepath.Join(ollama.Home, "models") || all.Servers[0].Free == 0 || all.Memory == nil {
		t.Fatalf("%+v", all)
	}
	tiny := find(all, "tiny:latest")
	if tiny.Bytes < 1000 || tiny.Quantization != "F16" || tiny.Family != "llama" || tiny.Parameters == "" || tiny.Trained != 4096 || tiny.Context != 2048 || len(tiny.Digest) != 64 ||
		tiny.Loaded != nil || strings.Join(tiny.UsedBy, ";") != "the model chat" || tiny.Fit.Verdict != "fits" || tiny.Fit.Cache == 0 || tiny.Fit.Context != 2048 || !strings.Contains(strings.Join(tiny.Capabilities, " "), "tools") {
		t.Errorf("%+v", *tiny)
	}
	if embed := find(all, "embed:latest"); embed.Fit.Cache != 0 || strings.Join(embed.Capabilities, " ") != "embedding" {
		t.Errorf("%+v", *embed)
	}
	if broken := find(all, "broken:latest"); broken == nil || broken.Trained != 0 {
		t.Errorf("a damaged model: %+v", broken)
	}

	// A pull, seen from beside; the second one who asks joins.
	var sending atomic.Int64 // answers under way
	var pace atomic.Value    // of http.Handler: what answers
	pace.Store(http.HandlerFunc(registry.Handler(models).ServeHTTP))
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sending.Add(1)
		defer sending.Add(-1)
		pace.Load().(http.Handler).ServeHTTP(w, r)
	}))
	defer counted.Close()
	slow := counted.URL + "/library/large"
	p, joined, err := api.Pull(t.Context(), "", slow, true)
	if err != nil || joined {
		t.Fatal(err, joined)
	}
	again, joined, err := api.Pull(t.Context(), "local", slow+":latest", true)
	if err != nil || !joined || again.ID != p.ID {
		t.Errorf("%+v %v %v", again, joined, err)
	}
	until(t, h, "the end of the pull", func(e event.Progress) bool { return e.Task == "pull" && e.State == "done" && e.Done == e.Total })
	until(t, h, "the model that came", func(e event.Library) bool { return e.What == "pulled" && e.Model == slow })
	name := strings.TrimPrefix(slow, "http://") + ":latest"
	if found, err := api.Model(t.Context(), "", name); err != nil || found.Name != name {
		t.Errorf("%+v %v", found, err)
	}

	// Loaded for a while, let go, removed.
	for _, model := range []string{name, "embed"} {
		m, err := api.LoadModel(t.Context(), "", model, "30m")
		if err != nil || m.Loaded == nil || m.Loaded.Bytes == 0 || m.Loaded.Expires == nil || time.Until(*m.Loaded.Expires).Round(time.Minute) != 30*time.Minute || m.Fit.Verdict != "loaded" {
			t.Errorf("load %s: %+v %+v %v", model, m, m.Loaded, err)
		}
		if m, err = api.UnloadModel(t.Context(), "", model); err != nil || m.Loaded != nil {
			t.Errorf("unload %s: %+v %v", model, m, err)
		}
	}
	if m, err := api.LoadModel(t.Context(), "", "tiny", "forever"); err != nil || m.Loaded == nil || m.Loaded.Expires != nil {
		t.Errorf("load for good: %+v %v", m.Loaded, err)
	}
	if _, err := api.LoadModel(t.Context(), "", "broken", ""); status(err) != 502 || !strings.Contains(err.Error(), "pull it again") {
		t.Errorf("load what is damaged: %v", err)
	}
	if _, err := api.LoadModel(t.Context(), "", "tiny", "soon"); status(err) != 422 {
		t.Error(err)
	}
	if _, err := api.RemoveModel(t.Context(), "", name, false); err != nil {
		t.Error(err)
	}
	if _, err := api.RemoveModel(t.Context(), "", "tiny", false); status(err) != 409 || !strings.Contains(err.Error(), "the model chat") {
		t.Errorf("remove what the config names: %v", err)
	}
	if _, err := api.RemoveModel(t.Context(), "local", "Tiny", true); err != nil { // in memory as well
		t.Error(err)
	}
	if all := list(); find(all, "tiny:latest") != nil || find(all, name) != nil || len(all.Models) != 4 {
		t.Errorf("%+v", all.Models)
	}
	if _, err := api.Model(t.Context(), "", "tiny"); status(err) != 404 || !strings.Contains(err.Error(), "corral models pull tiny") {
		t.Error(err)
	}

	// Cancelled in the middle, a pull stops at Ollama too, and goes on from there later.
	pace.Store(http.HandlerFunc(registry.Slow(registry.Handler(models), 1e6).ServeHTTP))
	p, _, err = api.Pull(t.Context(), "", slow, true)
	if err != nil {
		t.Fatal(err)
	}
	progress := until(t, h, "the second pull, well under way", func(e event.Progress) bool {
		return e.Task == "pull" && e.ID == 2 && e.State == "running" && e.Done > 0 && e.Done < e.Total && e.Speed > 0
	})
	if progress.Subject != slow || progress.Total < 10<<20 || progress.Unit != "bytes" {
		t.Errorf("%+v", progress)
	}
	if _, err := api.CancelPull(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	until(t, h, "the pull that was cancelled", func(e event.Progress) bool { return e.ID == 2 && e.State == "cancelled" })
	rest, _ := filepath.Glob(filepath.Join(ollama.Home, "models", "blobs", "*-partial"))
	if len(rest) != 1 {
		t.Errorf("what is kept of the pull: %v", rest)
	}
	if !testkit.Eventually(func() bool { return sending.Load() == 0 }) {
		t.Error("the registry still sends, though the pull was cancelled")
	}
	if all := list(); find(all, name) != nil || all.Pulls[0].State != "cancelled" {
		t.Errorf("%+v ", all.Pulls)
	}
	if _, err := api.CancelPull(t.Context(), p.ID); err != nil {
		t.Errorf("one that is over is taken off the list: %v", err)
	}
	if _, err := api.CancelPull(t.Context(), p.ID); status(err) != 404 {
		t.Error(err)
	}

	// What goes wrong comes with its remedy.
	fast := testkit.Registry(t, models)
	for _, c := range []struct {
		model    string
		insecure bool
		want     string
	}{
		{fast + "/library/nope", true, "The registry has no such model"},
		{fast + "/library/small", false, "--insecure"},
		{"http://" + testkit.FreeAddr(t) + "/library/small", true, "The registry cannot be reached"},
	} {
		if _, _, err := api.Pull(t.Context(), "", c.model, c.insecure); err != nil {
			t.Fatal(err)
		}
		failed := until(t, h, "the pull of "+c.model+" that fails", func(e event.Progress) bool { return e.Subject == c.model && e.State == "failed" })
		if !strings.Contains(failed.Why, c.want) {
			t.Errorf("%s: %s", c.model, failed.Why)
		}
	}
	if _, _, err := api.Pull(t.Context(), "", "two words", false); status(err) != 422 {
		t.Error(err)
	}
	if _, _, err := api.Pull(t.Context(), "nobody", "m", false); status(err) != 404 {
		t.Error(err)
	}

	ollama.Stop()
	if all := list(); len(all.Models) != 0 || !strings.Contains(all.Servers[0].Problem, "ollama serve") {
		t.Errorf("%+v", all.Servers)
	}
	if _, err := api.Model(t.Context(), "", "embed"); status(err) != 503 {
		t.Error(err)
	}
}
