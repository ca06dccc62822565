package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

type nothing struct{}

func (nothing) Cost(llm.Target, string, llm.Usage, time.Duration) (cost, baseline record.Money) {
	return record.Nano(1), record.Nano(2)
}

type said struct{ left string }

func (s *said) Next() ([]byte, error) {
	p := s.left
	if s.left = ""; p == "" {
		return nil, io.EOF
	}
	return []byte(p), nil
}
func (s *said) More() bool       { return false }
func (s *said) Last() bool       { return s.left == "" }
func (s *said) Usage() llm.Usage { return llm.Usage{Input: 1, Output: 1, Cached: -1, Reasoning: -1} }
func (s *said) Close()           {}

// Under group durability nobody waits for the disk. One that answers no sync at all for a while holds up no call, what waits in memory is
// bounded, and all that did not fit is counted and on record afterwards.
func TestADiskThatHangsHoldsUpNoCall(t *testing.T) {
	for name, c := range map[string]struct {
		calls int
		text  string
		keep  bool
	}{
		"many small calls": {calls: 20_000, text: "short"},
		"large texts":      {calls: 1000, text: strings.Repeat("a long text ", 20_000), keep: true},
	} {
		t.Run(name, func(t *testing.T) {
			var disk sync.RWMutex // held for writing while the disk hangs
			dir := t.TempDir()
			db, err := store.Open(dir, store.Options{Faults: store.Faults{Before: func() error { disk.RLock(); defer disk.RUnlock(); return nil }}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			l, err := ledger.Open(db, ledger.Options{TopKey: vault.FromFile(filepath.Join(dir, "top.key")), SigningKey: vault.FromFile(filepath.Join(dir, "signing.key")),
				KeepContent: c.keep, OnFailure: ledger.Continue, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			b := &books{db: db, ledger: l}
			m := meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: metrics.NewSet(), Ledger: b, Prices: nothing{}, Rules: func() meter.Rules { return meter.Rules{Keep: c.keep} }})
			stage := m.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
				return &llm.Reply{Status: http.StatusOK, Provider: "p", Model: "m", Body: &said{left: c.text}}, nil
			}))

			before := inUse()
			disk.Lock()
			start := time.Now()
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					for range c.calls / 4 {
						r := &llm.Request{ID: "req", Start: time.Now(), Method: "POST", Model: "m", Header: http.Header{}, Body: []byte(c.text),
							Endpoint: &llm.Endpoint{Name: "chat", Dialect: llm.Ollama, Task: llm.Generate}}
						reply, err := stage.Serve(t.Context(), r)
						if err != nil {
							t.Error(err)
							return
						}
						for err == nil {
							_, err = reply.Body.Next()
						}
						if !errors.Is(err, io.EOF) {
							t.Error(err)
						}
						reply.Body.Close()
					}
				})
			}
			callers.Wait()
			m.Close()
			t.Logf("%d calls in %v, %d MiB more in use", c.calls, time.Since(start), (inUse()-before)>>20)
			if more := inUse() - before; more > 160<<20 { // 64 MiB may wait, beside the batch that the writer has in hand
				t.Errorf("%d MiB are held for a disk that hangs", more>>20)
			}
			disk.Unlock()
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			report, err := l.Usage(usage.Query{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			v, err := l.Verify(t.Context(), ledger.VerifyOptions{})
			if err != nil || v.Err() != nil {
				t.Fatal(err, v.Err())
			}
			var missed uint64
			for _, g := range v.Gaps {
				missed += g.Calls
			}
			if missed == 0 || report.Total.Calls+missed != uint64(c.calls) {
				t.Errorf("%d on record and %d counted as missed, of %d", report.Total.Calls, missed, c.calls)
			}
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
