// Package library is the models on this device: what there is and whether it is in memory, what it would need against what is free, and
// how more come and go. A server that can only tell what it has is listed; one that keeps models (provider.Keeper) can be changed too.
//
// Pulls live here, not with whoever asked for them: a page may close, and find its pull again. What one is known to need is held
// against the free disk as soon as the server tells its size, which it does before the first byte of it.
package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"corral/daemon/provider"
)

const (
	listTimeout   = 5 * time.Second
	removeTimeout = time.Minute
)

// LoadTimeout is how long a model may take to be read into memory: a large one from a slow disk. Who asks for that waits longer.
const LoadTimeout = 10 * time.Minute

// Server is a model server on this device.
type Server struct {
	Name, Kind, URL string
	Provider        provider.Provider
}

// Options are what a library is made of.
type Options struct {
	// Servers are those on this device, in the config's order.
	Servers func() []Server
	// Machine is what the machine showed last.
	Machine func() Machine
	// Uses are what of the config names a model of a server, which full tells the whole name of.
	Uses func(server string, full func(string) string) map[string][]string
	// Free is how many bytes can be written where a folder is; Folders are where a server may keep its models when it has none yet
	// by which to tell. What is not there is passed over.
	Free    func(ctx context.Context, folder string) (uint64, error)
	Folders []string
	// Told is told of a pull, as it goes; Changed of a model that came, went, was loaded or let go.
	Told    func(Pull)
	Changed func(server, model, what string)
}

// Library is all of it. Close ends what is under way.
type Library struct {
	o      Options
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	places chan struct{} // a pull that runs has one

	mu    sync.Mutex // guards what follows
	pulls []*pull    // oldest first
	made  int        // counts them
	shut  bool
}

// ErrClosed says that Corral stops.
var ErrClosed = errors.New("corral is stopping")

// New makes a Library.
func New(o Options) *Library {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Library{o: o, ctx: ctx, cancel: cancel, places: make(chan struct{}, AtOnce)}
}

// Close ends all pulls and waits for them. What Ollama has of them so far it keeps, and goes on from there when they are asked for again.
func (l *Library) Close() {
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	l.cancel(ErrClosed)
	l.wg.Wait()
}

// Error is what cannot be done, and what to do about it.
type Error struct {
	Status int    // of HTTP
	Text   string // what happened, and the remedy
	Err    error  // the cause; nil: none
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Err }

// Loaded is a model in memory.
type Loaded struct {
	Bytes   uint64     `json:"bytes,omitempty" doc:"of memory, that on graphics cards included; absent: not told"`
	VRAM    uint64     `json:"vram,omitempty" doc:"bytes of these on graphics cards"`
	Context int        `json:"context,omitempty" doc:"tokens"`
	Expires *time.Time `json:"expires,omitempty" doc:"when the server lets it go by itself unless it is used; absent: it stays, or that is not told"`
}

// Model is a model on this device. What its server does not tell is absent.
type Model struct {
	Provider     string     `json:"provider"`
	Name         string     `json:"name" doc:"as calls name it"`
	Bytes        uint64     `json:"bytes,omitempty" doc:"on the disk"`
	Quantization string     `json:"quantization,omitempty" doc:"such as Q4_K_M"`
	Parameters   string     `json:"parameters,omitempty" doc:"such as 3.2B"`
	Family       string     `json:"family,omitempty"`
	Trained      int        `json:"trained_context,omitempty" doc:"tokens of context that it was made for"`
	Context      int        `json:"context,omitempty" doc:"tokens of context that it is set to, where it is"`
	Capabilities []string   `json:"capabilities" doc:"completion, embedding, tools, vision, thinking and others"`
	Digest       string     `json:"digest,omitempty"`
	Modified     *time.Time `json:"modified,omitempty"`
	Loaded       *Loaded    `json:"loaded,omitempty" doc:"absent: it is not in memory"`
	Fit          Fit        `json:"fit"`
	UsedBy       []string   `json:"used_by" doc:"what of the config names it"`
	Keeps        bool       `json:"keeps" doc:"its server can load, let go and remove it"`
	Away         string     `json:"away,omitempty" doc:"host that its server passes text for it on to; missing: it is on this device"`
}

// Holding is a model server on this device and what it has.
type Holding struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	URL     string `json:"url"`
	Keeps   bool   `json:"keeps" doc:"models can be pulled and removed there"`
	Problem string `json:"problem,omitempty" doc:"why it does not tell what it has, and what to do"`
	Models  int    `json:"models"`
	Bytes   uint64 `json:"bytes" doc:"of its models, on the disk"`
	Folder  string `json:"folder,omitempty" doc:"in which it keeps them"`
	Free    uint64 `json:"free,omitempty" doc:"bytes on the disk of that folder"`
}

// Shelf is the whole library as it is now.
type Shelf struct {
	Servers []Holding `json:"servers" doc:"on this device"`
	Models  []Model   `json:"models" doc:"by name; those in memory first"`
	Memory  *Room     `json:"memory,omitempty"`
	VRAM    *Room     `json:"vram,omitempty" doc:"of all graphics cards; absent: none is shown"`
}

// Room is memory, in bytes.
type Room struct {
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
}

// List is what there is. A server that does not answer is in it with its problem.
func (l *Library) List(ctx context.Context) Shelf {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	machine := l.o.Machine()
	servers := l.o.Servers()
	out := Shelf{Servers: make([]Holding, len(servers)), Models: []Model{}, Memory: machine.Memory, VRAM: machine.VRAM}
	each := make([][]Model, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { out.Servers[i], each[i] = l.ask(ctx, s, machine) })
	}
	wg.Wait()
	out.Models = append(out.Models, slices.Concat(each...)...)
	slices.SortStableFunc(out.Models, func(a, b Model) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name))
	})
	return out
}

func rank(m Model) int {
	if m.Loaded != nil {
		return 0
	}
	return 1
}

// ask is what one server has.
func (l *Library) ask(ctx context.Context, s Server, machine Machine) (Holding, []Model) {
	h := Holding{Name: s.Name, Kind: s.Kind, URL: s.URL}
	keeper, keeps := s.Provider.(provider.Keeper)
	h.Keeps = keeps
	stocker, ok := s.Provider.(provider.Stocker)
	if !ok {
		h.Problem = "Servers of this kind do not tell which models they have."
		return h, nil
	}
	list, err := stocker.Stock(ctx)
	if err != nil {
		h.Problem = away(s, err)
		return h, nil
	}
	full := func(name string) string { return name }
	if keeps {
		full = keeper.Full
	}
	uses := l.o.Uses(s.Name, full)
	others := uint64(0)
	for _, m := range list {
		others += m.LoadedBytes
	}
	out := make([]Model, 0, len(list))
	for _, m := range list {
		x := Model{Provider: s.Name, Name: m.Name, Bytes: m.Bytes, Quantization: m.Quantization, Parameters: m.Parameters, Family: m.Family,
			Trained: m.Trained, Context: m.Context, Capabilities: append([]string{}, m.Can...), Digest: m.Digest, Keeps: keeps, Away: m.Away,
			UsedBy: append([]string{}, uses[full(m.Name)]...), Fit: fit(m, machine, others-m.LoadedBytes)}
		if !m.Modified.IsZero() {
			x.Modified = &m.Modified
		}
		if m.Loaded {
			x.Loaded = &Loaded{Bytes: m.LoadedBytes, VRAM: m.LoadedVRAM, Context: m.LoadedContext}
			if !m.Expires.IsZero() {
				x.Loaded.Expires = &m.Expires
			}
		}
		out = append(out, x)
		h.Models, h.Bytes, h.Folder = h.Models+1, h.Bytes+m.Bytes, cmp.Or(h.Folder, m.Folder)
	}
	if keeps {
		h.Folder, h.Free, _ = l.disk(ctx, h.Folder)
	}
	return h, out
}

// disk is where models are kept and how much more can be: in folder, or where it usually is. known is false when that cannot be told.
func (l *Library) disk(ctx context.Context, folder string) (where string, free uint64, known bool) {
	folders := l.o.Folders
	if folder != "" {
		folders = []string{folder}
	}
	for _, f := range folders {
		if n, err := l.o.Free(ctx, f); err == nil {
			return f, n, true
		}
	}
	return folder, 0, false
}

// server finds the one of a name; the first that keeps models where name is empty.
func (l *Library) server(name string) (Server, provider.Keeper, error) {
	for _, s := range l.o.Servers() {
		if k, ok := s.Provider.(provider.Keeper); ok && (name == "" || s.Name == name) {
			return s, k, nil
		}
		if s.Name == name {
			return s, nil, &Error{Status: 422, Text: fmt.Sprintf("%s only tells which models it has (kind %s); its models are changed where it was started", name, s.Kind)}
		}
	}
	if name == "" {
		return Server{}, nil, &Error{Status: 422, Text: "no provider of kind ollama is on this device; add one to `providers` in corral.yaml"}
	}
	return Server{}, nil, &Error{Status: 404, Text: fmt.Sprintf("there is no provider %q on this device; `corral status` shows them", name)}
}

// Find is one model. server may be empty: the first that has it.
func (l *Library) Find(ctx context.Context, server, name string) (Model, error) {
	shelf := l.List(ctx)
	problem := ""
	for _, s := range l.o.Servers() {
		full := func(name string) string { return name }
		if k, ok := s.Provider.(provider.Keeper); ok {
			full = k.Full
		}
		for _, m := range shelf.Models {
			if m.Provider == s.Name && (server == "" || server == s.Name) && full(m.Name) == full(name) {
				return m, nil
			}
		}
	}
	known := server == ""
	for _, h := range shelf.Servers {
		if h.Name == server {
			known = true
		}
		if server == "" || h.Name == server {
			problem = cmp.Or(problem, h.Problem)
		}
	}
	if !known {
		return Model{}, &Error{Status: 404, Text: fmt.Sprintf("there is no provider %q on this device; `corral status` shows them", server)}
	}
	if problem != "" {
		return Model{}, &Error{Status: 503, Text: problem}
	}
	return Model{}, &Error{Status: 404, Text: fmt.Sprintf("there is no model %q on this device; `corral models list` shows what there is, `corral models pull %s` gets it", name, name)}
}

// kept finds a model that can be changed.
func (l *Library) kept(ctx context.Context, server, name string) (Model, Server, provider.Keeper, error) {
	m, err := l.Find(ctx, server, name)
	if err != nil {
		return m, Server{}, nil, err
	}
	s, k, err := l.server(m.Provider)
	return m, s, k, err
}

// Remove deletes a model from the disk. One that the config names is kept unless force is set.
func (l *Library) Remove(ctx context.Context, server, name string, force bool) (Model, error) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	m, s, k, err := l.kept(ctx, server, name)
	if err != nil {
		return m, err
	}
	if len(m.UsedBy) > 0 && !force {
		return m, &Error{Status: 409, Text: fmt.Sprintf("%s is used by the config: %s; calls for that would fail without it. Say so (--force) to remove it all the same", m.Name, strings.Join(m.UsedBy, ", "))}
	}
	if err := k.Remove(ctx, m.Name); err != nil {
		return m, failed(s, "remove "+m.Name, err)
	}
	l.o.Changed(s.Name, m.Name, "removed")
	return m, nil
}

// Load reads a model into memory and has it kept for so long after its last use; 0: as long as its server does by itself; negative: for
// good. It goes on when the caller leaves.
func (l *Library) Load(ctx context.Context, server, name string, keep time.Duration) (Model, error) {
	m, s, k, err := l.kept(ctx, server, name)
	if err != nil {
		return m, err
	}
	done := make(chan error, 1)
	if !l.spawn(func() {
		ctx, cancel := context.WithTimeout(l.ctx, LoadTimeout)
		defer cancel()
		err := k.Load(ctx, m.Name, keep)
		if err == nil {
			l.o.Changed(s.Name, m.Name, "loaded")
		}
		done <- err
	}) {
		return m, &Error{Status: 503, Text: ErrClosed.Error()}
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		return m, ctx.Err()
	}
	if err != nil {
		return m, failed(s, "load "+m.Name, err)
	}
	return l.Find(ctx, s.Name, m.Name)
}

// unloadTimeout is how long one waits to see a model gone: its server lets the calls that run go on.
const unloadTimeout = 5 * time.Second

// Unload lets go of a model, once the calls for it that run are over. The result has it still in memory when that takes longer.
func (l *Library) Unload(ctx context.Context, server, name string) (Model, error) {
	m, s, k, err := l.kept(ctx, server, name)
	if err != nil || m.Loaded == nil {
		return m, err
	}
	if err := k.Unload(ctx, m.Name); err != nil {
		return m, failed(s, "let go of "+m.Name, err)
	}
	wait, cancel := context.WithTimeout(ctx, unloadTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for m.Loaded != nil {
		select {
		case <-wait.Done():
			return m, ctx.Err()
		case <-tick.C:
		}
		if m, err = l.Find(ctx, s.Name, m.Name); err != nil {
			return m, err
		}
	}
	l.o.Changed(s.Name, m.Name, "unloaded")
	return m, nil
}

// spawn runs f unless Close was called.
func (l *Library) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	l.wg.Go(f)
	return true
}

// away says of a server that it did not tell what was asked.
func away(s Server, err error) string {
	var asked *provider.AskError
	if errors.As(err, &asked) {
		return fmt.Sprintf("%s answered: %s", s.Name, asked.Text)
	}
	hint := "start it, or set the provider's url in corral.yaml"
	if _, ok := s.Provider.(provider.Keeper); ok {
		hint = "start it with `ollama serve`, or set the provider's url in corral.yaml"
	}
	return fmt.Sprintf("%s does not answer at %s (%s); %s", s.Name, s.URL, cause(err), hint)
}

// cause is the innermost of a chain of errors of the network, without the address that is told already.
func cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it takes too long"
	}
	var u *url.Error
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	case errors.As(err, &u):
		return u.Err.Error()
	}
	return err.Error()
}

// failed is what a server did not do, in words with a remedy.
func failed(s Server, what string, err error) error {
	var asked *provider.AskError
	if !errors.As(err, &asked) {
		return &Error{Status: 503, Text: away(s, err), Err: err}
	}
	return &Error{Status: 502, Text: fmt.Sprintf("%s could not %s: %s%s", s.Name, what, asked.Text, remedy(asked.Text)), Err: err}
}

// remedy is what to do about a text of Ollama's; empty: not known. It has no codes for them
// (https://github.com/ollama/ollama/blob/v0.17.4/server/images.go and download.go).
func remedy(text string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(strings.ToLower(text), p) })
	}
	switch {
	case has("file does not exist", "not found", "manifest unknown"):
		return ". The registry has no such model: look at its name and tag, such as llama3.2:1b, at ollama.com/library"
	case has("insecure protocol", "gave http response to https client"):
		return ". This registry is reached without encryption: allow that (--insecure), if you trust the way to it"
	case has("no space left"):
		return ". The disk is full: remove models that you do not need (`corral models rm`), or free some space, and pull again; it goes on where it stopped"
	case has("newer version"):
		return ". Update Ollama: ollama.com/download"
	case has("no such host", "connection refused", "network is unreachable", "i/o timeout", "tls handshake", "max retries exceeded", "server misbehaving", "eof"):
		return ". The registry cannot be reached from here: look at this machine's connection and at the proxy that Ollama has (HTTPS_PROXY), and pull again; it goes on where it stopped"
	case has("unauthorized", "access denied"):
		return ". The registry wants a login, or has no such model: look at its name, or `ollama signin`"
	case has("invalid model name", "name is invalid"):
		return ". A name looks like llama3.2, llama3.2:1b, or hf.co/owner/model"
	case has("requires more system memory"):
		return ". Let go of other models, end another program, or take a smaller model or a smaller context"
	case has("exceeds file size", "unable to load model", "invalid file magic"):
		return ". Its file is damaged: remove the model and pull it again"
	}
	return ""
}
