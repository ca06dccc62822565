// Command ollama is a real Ollama for those who are not Go tests: it starts one on a free port with a home of its own and tiny models
// in it, and a registry to pull more from, prints where they are as one line of JSON, and stops all of it when its standard input
// ends or it is asked to (SIGINT, SIGTERM).
//
//	CORRAL_TEST_OLLAMA=$(testkit/ollama/setup.sh) go run ./testkit/cmd/ollama
//
// Its models are those of testkit.Ollama, and
//
//	slow      tells on and on, at a few hundred tokens a second: for stopping an answer
//	broken    fails with a 500 whenever it is asked
//
// From the registries can be pulled, with insecure on, REGISTRY/library/NAME:
//
//	small     a third of a megabyte; little is another one of that size
//	large     21 MB; from the slow registry that takes some 20 seconds
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"corral/testkit"
	"corral/testkit/ollama/tinygen"
)

// Running is what is printed.
type Running struct {
	Ollama       string `json:"ollama"`        // http://127.0.0.1:PORT
	Registry     string `json:"registry"`      // http://127.0.0.1:PORT
	SlowRegistry string `json:"slow_registry"` // the same at 1 MB/s
	Home         string `json:"home"`          // of the Ollama
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, ended := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended()
	}()
	p := &program{ctx: ctx}
	defer p.cleanUp()
	defer func() {
		if failed := recover(); failed != nil {
			fmt.Fprintln(os.Stderr, "ollama:", failed)
			p.cleanUp()
			os.Exit(1)
		}
	}()
	source := testkit.EmptyOllama(p)
	model := tinygen.DefaultChat()
	model.Seed = 11
	source.CreateChatModel("small", model)
	model.Seed = 13
	source.CreateChatModel("little", model)
	model.Layers, model.FF, model.Seed = 32, 1024, 12
	source.CreateChatModel("large", model)
	models := filepath.Join(source.Home, "models")
	source.Stop() // its files are enough
	s := testkit.Ollama(p)
	s.CreateSlowModel("slow")
	s.CreateBrokenModel("broken")
	json.NewEncoder(os.Stdout).Encode(Running{s.URL, testkit.Registry(p, models), testkit.SlowRegistry(p, models, 1e6), s.Home})
	<-ctx.Done()
}

// program stands in for a test: what testkit starts for it is stopped at the end.
type program struct {
	testing.TB // none: it has what is below
	ctx        context.Context
	ends       []func()
}

func (p *program) Helper()                           {}
func (p *program) Context() context.Context          { return p.ctx }
func (p *program) Cleanup(f func())                  { p.ends = append(p.ends, f) }
func (p *program) Failed() bool                      { return false }
func (p *program) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (p *program) Fatal(args ...any)                 { panic(errors.New(strings.TrimSpace(fmt.Sprintln(args...)))) }
func (p *program) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
func (p *program) Skipf(format string, args ...any)  { panic(fmt.Errorf(format, args...)) }

func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "corral-ollama-")
	if err != nil {
		panic(err)
	}
	p.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// cleanUp undoes what was done, last first.
func (p *program) cleanUp() {
	for len(p.ends) > 0 {
		end := p.ends[len(p.ends)-1]
		p.ends = p.ends[:len(p.ends)-1]
		end()
	}
}
