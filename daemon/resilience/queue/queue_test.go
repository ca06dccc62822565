package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

// tickets reads "who:model" words; a trailing ! makes a batch call. Their IDs are the words and a number: a:m#0, a:m#1.
func tickets(s string) (out []Ticket) {
	for i, word := range strings.Fields(s) {
		word, batch := strings.CutSuffix(word, "!")
		who, model, _ := strings.Cut(word, ":")
		out = append(out, Ticket{ID: fmt.Sprintf("%s%d", who, i), Caller: who, Model: model, Batch: batch})
	}
	return out
}

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name, come, served string
		maxRun             int
	}{
		{"who came first", "a:m b:m c:m", "a0 b1 c2", 0},
		{"callers take turns", "a:m a:m a:m b:m c:m b:m", "a0 b3 c4 a1 b5 a2", 0},
		{"interactive before batch", "a:m! b:m a:m! c:m", "b1 c3 a0 a2", 0},
		{"the loaded model first", "a:x b:m a:x c:m", "b1 c3 a0 a2", 0},
		{"but not for ever", "a:x b:m b:m b:m b:m b:m", "b1 b2 a0 b3 b4 b5", 2},
		{"turns among those for one model", "a:m a:m b:x b:m c:m", "a0 b3 c4 a1 b2", 0},
		{"class before model", "a:m! b:x", "b1 a0", 0},
		{"a batch call now and then", strings.Repeat("a:m ", 18) + "b:m!", "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14 a15 b18 a16 a17", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := New(Rules{Concurrent: 1, Waiting: 100, MaxRun: tt.maxRun})
				first, err := q.Enter(context.Background(), Ticket{ID: "first", Model: "m"})
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan string, 100)
				for _, ticket := range tickets(tt.come) {
					go func() {
						p, err := q.Enter(context.Background(), ticket)
						if err != nil {
							t.Error(err)
						}
						time.Sleep(time.Second)
						served <- ticket.ID
						p.Leave()
					}()
					synctest.Wait()
				}
				var shown []string
				for i, w := range q.Snapshot().Waiting {
					if w.Position != i+1 {
						t.Errorf("%s is at %d, want %d", w.ID, w.Position, i+1)
					}
					shown = append(shown, w.ID)
				}
				first.Leave()
				var got []string
				for range shown {
					got = append(got, <-served)
				}
				if s := strings.Join(got, " "); s != tt.served {
					t.Errorf("served %s\nwant   %s", s, tt.served)
				}
				if s := strings.Join(shown, " "); s != tt.served {
					t.Errorf("shown  %s\nwant   %s", s, tt.served)
				}
				synctest.Wait()
				if s := q.Snapshot(); s.Running != 0 || len(s.Waiting) != 0 {
					t.Errorf("left behind: %+v", s)
				}
			})
		})
	}
}

// Whoever waits is served within the bound, whatever the others do.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 1000, MaxRun: 4})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var served atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 { // programs that always have a call for m waiting
			wg.Go(func() {
				for ctx.Err() == nil {
					p, err := q.Enter(ctx, Ticket{Caller: fmt.Sprint("busy", i), Model: "m"})
					if err != nil {
						return
					}
					time.Sleep(time.Second)
					served.Add(1)
					p.Leave()
				}
			})
		}
		synctest.Wait()
		for _, ticket := range []Ticket{{Caller: "other", Model: "x"}, {Caller: "batch", Model: "x", Batch: true}} {
			before := served.Load()
			p, err := q.Enter(ctx, ticket)
			if err != nil {
				t.Fatal(err)
			}
			if n := served.Load() - before; n > 8*5+maxAhead {
				t.Errorf("%s waited for %d others", ticket.Caller, n)
			}
			p.Leave()
		}
		cancel()
		wg.Wait()
	})
}

// An app may call itself by a new name each time; that must not pass by those who wait.
func TestNewcomersPassNobodyBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 100})
		p, _ := q.Enter(context.Background(), Ticket{})
		var wg sync.WaitGroup
		enter := func(who string) {
			wg.Go(func() {
				p, err := q.Enter(context.Background(), Ticket{Caller: who})
				if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				p.Leave()
			})
			synctest.Wait()
		}
		for range 3 {
			enter("a")
		}
		p.Leave()
		for i := range 20 { // two a second come, one a second is served
			enter(fmt.Sprint("b", i))
			enter(fmt.Sprint("c", i))
			time.Sleep(time.Second)
		}
		for _, w := range q.Snapshot().Waiting {
			if w.Caller == "a" {
				t.Errorf("a call of a waits since %v", time.Since(w.Since))
			}
		}
		wg.Wait()
	})
}

func TestFull(t *testing.T) {
	for _, tt := range []struct {
		name, wait, comes string
		out               string // who is sent away
	}{
		{"all alike", "a:m b:m c:m", "d:m", "d"},
		{"the greedy one gives way", "a:m a:m a:m b:m", "c:m", "a2"},
		{"but not to itself", "a:m a:m a:m b:m", "a:m", "a"},
		{"nor to one who would have as many", "a:m a:m b:m", "b:m", "b"},
		{"batch gives way", "a:m b:m! b:m! c:m!", "a:m", "b2"},
		{"not to batch", "a:m a:m a:m", "b:m!", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waits := tickets(tt.wait)
				q := New(Rules{Concurrent: 1, Waiting: len(waits)})
				p, _ := q.Enter(context.Background(), Ticket{})
				p.Leave()
				p, _ = q.Enter(context.Background(), Ticket{})
				comes := tickets(tt.comes)[0]
				comes.ID = comes.Caller
				out := make(chan string, 10)
				for _, ticket := range append(waits, comes) {
					go func() {
						p, err := q.Enter(context.Background(), ticket)
						if err != nil {
							if e := llm.AsError(err); e.Kind != llm.Busy || e.Status() != 503 || e.RetryAfter < time.Second {
								t.Errorf("%v", e)
							}
							out <- ticket.ID
						}
						p.Leave()
					}()
					synctest.Wait()
				}
				if got := <-out; got != tt.out {
					t.Errorf("%s was sent away, want %s", got, tt.out)
				}
				p.Leave()
				synctest.Wait()
				if len(out) != 0 {
					t.Errorf("%s was sent away as well", <-out)
				}
			})
		})
	}
}

func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 2})
		first, _ := q.Enter(context.Background(), Ticket{Caller: "a"})
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error, 1)
		go func() { _, err := q.Enter(ctx, Ticket{Caller: "b"}); gone <- err }()
		got := make(chan Place, 1)
		synctest.Wait()
		go func() { p, _ := q.Enter(context.Background(), Ticket{Caller: "c"}); got <- p }()
		synctest.Wait()
		cancel()
		if e := llm.AsError(<-gone); e.Kind != llm.Gone {
			t.Errorf("%v", e)
		}
		if s := q.Snapshot(); len(s.Waiting) != 1 || s.Waiting[0].Caller != "c" {
			t.Errorf("%+v", s)
		}
		first.Leave()
		first.Leave() // only once
		p := <-got
		p.Leave()
		if s := q.Snapshot(); s.Running != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A caller who leaves in the moment in which it is let in hands its place on.
func TestLeavingAtTheDoor(t *testing.T) {
	q := New(Rules{Concurrent: 1, Waiting: 100})
	for range 2000 {
		first, err := q.Enter(context.Background(), Ticket{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			p, _ := q.Enter(ctx, Ticket{})
			p.Leave()
			close(done)
		}()
		go cancel()
		first.Leave()
		<-done
	}
	if s := q.Snapshot(); s.Running != 0 || len(s.Waiting) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWiderRulesLetMoreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 10})
		in := make(chan Place, 10)
		for range 5 {
			go func() { p, _ := q.Enter(context.Background(), Ticket{}); in <- p }()
		}
		synctest.Wait()
		if len(in) != 1 {
			t.Fatalf("%d are in", len(in))
		}
		q.Set(Rules{Concurrent: 3, Waiting: 10})
		synctest.Wait()
		if len(in) != 3 {
			t.Errorf("%d are in, want 3", len(in))
		}
		q.Set(Rules{})
		synctest.Wait()
		if len(in) != 5 {
			t.Errorf("%d are in without a limit, want 5", len(in))
		}
	})
}

func TestTurnsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 10})
		ctx, cancel := context.WithCancel(context.Background())
		p, _ := q.Enter(ctx, Ticket{})
		for range 5 { // it is never empty
			go func() { p, _ := q.Enter(ctx, Ticket{Caller: "stays", Batch: true}); p.Leave() }()
		}
		synctest.Wait()
		for i := range 1000 {
			got := make(chan Place)
			go func() { p, _ := q.Enter(ctx, Ticket{Caller: fmt.Sprint(i)}); got <- p }()
			synctest.Wait()
			q.mu.Lock()
			q.order.ahead = 0 // so that the batch calls stay
			q.mu.Unlock()
			p.Leave()
			p = <-got
		}
		q.mu.Lock()
		if n := len(q.order.turns); n > 100 {
			t.Errorf("the turns of %d callers are remembered", n)
		}
		q.mu.Unlock()
		p.Leave()
		cancel()
		synctest.Wait()
	})
}

func TestSnapshotChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 1, Waiting: 10})
		ctx, cancel := context.WithCancel(context.Background())
		q.Enter(ctx, Ticket{Model: "m"})
		for _, ticket := range tickets("a:x b:m a:m! c:m") {
			go func() { p, _ := q.Enter(ctx, ticket); p.Leave() }()
			synctest.Wait()
		}
		ids := func() (out []string) {
			for _, w := range q.Snapshot().Waiting {
				out = append(out, w.ID)
			}
			return out
		}
		if a, b := ids(), ids(); !slices.Equal(a, b) {
			t.Errorf("%v, then %v", a, b)
		}
		cancel()
		synctest.Wait()
	})
}

func BenchmarkFreePlace(b *testing.B) {
	q := New(Default())
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, err := q.Enter(ctx, Ticket{Caller: "a", Model: "m"})
			if err != nil {
				b.Error(err)
			}
			p.Leave()
		}
	})
}

// TestUses: what runs for which model, and when it last did, is known however a call ends.
func TestUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Rules{Concurrent: 2, Waiting: 10})
		enter := func(model string) Place {
			t.Helper()
			p, err := q.Enter(t.Context(), Ticket{Model: model})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		use := func(model string) Use {
			for _, u := range q.Uses() {
				if u.Model == model {
					return u
				}
			}
			return Use{}
		}
		began := time.Now()
		a, b := enter("m"), enter("m")
		time.Sleep(time.Second)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := q.Enter(ctx, Ticket{Model: "gone"}); gone <- err }()
		waited := make(chan Place, 1)
		go func() { p, _ := q.Enter(t.Context(), Ticket{Model: "n"}); waited <- p }()
		synctest.Wait()
		if u := use("m"); u.Running != 2 || !u.Last.Equal(began) || use("n").Running != 0 {
			t.Errorf("%+v", q.Uses())
		}
		leave()
		if <-gone == nil || use("gone").Running != 0 {
			t.Errorf("%+v", q.Uses())
		}
		a.Leave()
		a.Leave()
		c := <-waited
		if use("m").Running != 1 || use("n").Running != 1 || !use("m").Last.Equal(time.Now()) {
			t.Errorf("%+v", q.Uses())
		}
		b.Leave()
		c.Leave()
		if use("m").Running != 0 || use("n").Running != 0 {
			t.Errorf("%+v", q.Uses())
		}
		busy := enter("busy")
		for i := range 3 * maxUses {
			p := enter(fmt.Sprint("model ", i))
			p.Leave()
		}
		if n := len(q.Uses()); n != maxUses || use("busy").Running != 1 || use("m").Model != "" || use(fmt.Sprint("model ", 3*maxUses-1)).Model == "" {
			t.Errorf("%d models are remembered: %+v", n, q.Uses())
		}
		busy.Leave()
	})
}
