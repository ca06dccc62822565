package cache

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

// A thousand who ask the same at once cost one call, and each gets all of the answer as it comes.
func TestOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.m.answer = func(ctx context.Context, asked *llm.Request) (*llm.Reply, error) {
			<-gate
			asked.Left, asked.Tries = "far", []llm.Try{{Target: llm.Target{Away: "far"}, Sent: true}}
			r := b.stream(io.EOF, streamHead, streamHead, streamTail)
			r.Body.(*pieces).wait = func() error { <-gate; return nil }
			r.Body.(*pieces).usage = llm.Usage{Input: 7, Output: 3}
			return r, nil
		}
		const callers = 1000
		var wg sync.WaitGroup
		var collapsed, paid, first atomic.Int64
		for range callers {
			wg.Go(func() {
				r := b.call(streaming)
				reply, err := b.serve(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				if strings.Contains(reply.Header.Get("Cache-Status"), "collapsed") {
					collapsed.Add(1)
				}
				var all []byte
				for {
					p, err := reply.Body.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Error(err)
						break
					}
					if all == nil {
						first.Add(1)
					}
					all = append(all, p...)
				}
				if string(all) != streamHead+streamHead+streamTail {
					t.Errorf("got %s", all)
				}
				reply.Close()
				if !r.Reuse.Free {
					paid.Add(1)
				}
				own, shared := 1, 0
				if r.Reuse.Free {
					own, shared = 0, 1
				}
				if r.Left != "far" || len(r.Tries) != own || len(r.Shared) != shared {
					t.Errorf("free %v: left %q, %d targets tried, %d by another call", r.Reuse.Free, r.Left, len(r.Tries), len(r.Shared))
				}
			})
		}
		synctest.Wait()
		gate <- struct{}{} // the answer begins
		gate <- struct{}{} // its first piece
		synctest.Wait()
		if n := first.Load(); n != callers {
			t.Errorf("%d of %d have the first piece while the answer goes on", n, callers)
		}
		close(gate)
		wg.Wait()
		if b.m.asked.Load() != 1 || collapsed.Load() != callers-1 || paid.Load() != 1 {
			t.Errorf("asked %d times, %d collapsed, %d paid", b.m.asked.Load(), collapsed.Load(), paid.Load())
		}
		if n := b.c.counts.tokens.Get(); n != (callers-1)*10 {
			t.Errorf("%d tokens were saved", n)
		}
		if len(b.c.flights) != 0 {
			t.Errorf("%d flights are left", len(b.c.flights))
		}
	})
}

// Whoever asked first may leave, at any point: the others get all of the answer, and one of them pays.
func TestTheFirstMayLeave(t *testing.T) {
	for _, when := range []string{"before the answer", "after the first piece"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				gate := make(chan struct{})
				b.m.answer = func(ctx context.Context, _ *llm.Request) (*llm.Reply, error) {
					select {
					case <-gate:
					case <-ctx.Done():
						return nil, llm.Ended(ctx)
					}
					r := b.stream(io.EOF, streamHead, streamTail)
					r.Body.(*pieces).wait = func() error {
						select {
						case <-gate:
							return nil
						case <-ctx.Done():
							return llm.Ended(ctx)
						}
					}
					return r, nil
				}
				ctx, leave := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					r := b.call(streaming)
					reply, err := b.serve(ctx, r)
					if err != nil {
						t.Error(err)
						return
					}
					if when == "after the first piece" {
						reply.Body.Next()
						<-ctx.Done()
					}
					reply.Close()
					if !r.Reuse.Free {
						t.Error("the one who left pays for what others got")
					}
				})
				synctest.Wait()
				wg.Go(func() {
					r := b.call(streaming)
					reply, err := b.serve(t.Context(), r)
					if err != nil {
						t.Error(err)
						return
					}
					all, err := readAll(reply.Body)
					if err != nil || string(all) != streamHead+streamTail {
						t.Errorf("got %s, %v", all, err)
					}
					reply.Close()
					if r.Reuse.Free {
						t.Error("nobody pays")
					}
				})
				synctest.Wait()
				if when == "after the first piece" {
					gate <- struct{}{}
					gate <- struct{}{}
					synctest.Wait()
				}
				leave()
				synctest.Wait()
				close(gate)
				wg.Wait()
				if b.m.asked.Load() != 1 {
					t.Errorf("asked %d times", b.m.asked.Load())
				}
			})
		})
	}
}

// When all have left, the target's work ends at once.
func TestWhenAllLeaveTheTargetIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var ended error
		b.m.answer = func(ctx context.Context, _ *llm.Request) (*llm.Reply, error) {
			<-ctx.Done()
			ended = context.Cause(ctx)
			return nil, llm.Ended(ctx)
		}
		ctx, leave := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := b.serve(ctx, b.call(streaming)); llm.AsError(err).Kind != llm.Stopping {
					t.Errorf("got %v", err)
				}
			})
			synctest.Wait()
		}
		leave(llm.ErrStopping)
		wg.Wait()
		if !errors.Is(ended, llm.ErrStopping) || b.m.asked.Load() != 1 || len(b.c.flights) != 0 {
			t.Errorf("the target's call ended with %v after %d calls; %d flights are left", ended, b.m.asked.Load(), len(b.c.flights))
		}
	})
}

// The last of them may notice its end before the hook on its context runs, which then never does. Nobody joins what was let go.
func TestTheLastToLeaveIsNoticedWithoutItsHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight(newBench(t).now)
		ctx, leave := context.WithCancel(t.Context())
		first, _ := f.join(ctx, &llm.Request{})
		second, _ := f.join(t.Context(), &llm.Request{})
		let := false
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := first.lead(llm.HandlerFunc(func(ctx context.Context, _ *llm.Request) (*llm.Reply, error) {
				<-ctx.Done()
				let = true
				_, joined := f.join(t.Context(), &llm.Request{})
				if joined {
					t.Error("somebody joined a call that was let go")
				}
				return nil, llm.Ended(ctx)
			}))
			if err == nil {
				t.Error("an answer came of a call that was let go")
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		if let {
			t.Error("let go while one waits")
		}
		second.leave()
		wg.Wait()
	})
}

// A caller who does not read holds nobody up, until an answer is larger than what is held for it; then it still loses nothing.
func TestASlowCallerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var lines []string
		filler := strings.Replace(streamHead, "Four.", strings.Repeat("y", 64<<10), 1)
		for range 3 * maxFlight / len(filler) {
			lines = append(lines, filler)
		}
		want := len(lines)*len(filler) + len(streamTail)
		gate := make(chan struct{})
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			<-gate
			return b.stream(io.EOF, append(lines, streamTail)...), nil
		}
		var wg sync.WaitGroup
		got := make([]atomic.Int64, 3)
		slow := make(chan struct{})
		for i := range got {
			wg.Go(func() {
				reply, err := b.serve(t.Context(), b.call(streaming))
				if err != nil {
					t.Error(err)
					return
				}
				defer reply.Close()
				if i == 0 {
					<-slow
				}
				for {
					p, err := reply.Body.Next()
					if err == io.EOF {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					got[i].Add(int64(len(p)))
				}
			})
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if a, c := got[1].Load(), got[2].Load(); a < maxFlight/2 || c < maxFlight/2 || a > 2*maxFlight {
			t.Errorf("beside one who does not read the others have %d and %d bytes", a, c)
		}
		close(slow)
		wg.Wait()
		for i := range got {
			if got[i].Load() != int64(want) {
				t.Errorf("caller %d has %d bytes of %d", i, got[i].Load(), want)
			}
		}
		if _, status := b.text(b.call(streaming)); strings.Contains(status, "hit") {
			t.Error("an answer that was not held whole was kept")
		}
	})
}

func TestOthersHearOfAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			<-gate
			panic("a stage")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			b.serve(t.Context(), b.call(streaming))
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := b.serve(t.Context(), b.call(streaming)); err == nil || llm.AsError(err).Kind != llm.Internal {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		close(gate)
		wg.Wait()
		if len(b.c.flights) != 0 {
			t.Error("its flight is left")
		}
	})
}

// What refuses the first may be a budget of that caller's own; the others ask for themselves then, and pay.
func TestAnothersBudgetRefusesNobodyElse(t *testing.T) {
	for name, ask := range map[string]func(b *bench) *llm.Request{
		"text":    func(b *bench) *llm.Request { return b.call(question) },
		"vectors": func(b *bench) *llm.Request { return b.vectorsCall("embed", `{"input":["one"],"model":"m"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				gate := make(chan struct{})
				b.m.answer = func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
					if r.Caller.User == "poor" {
						<-gate
						return nil, &llm.Error{Kind: llm.OverBudget, Message: "no money"}
					}
					return answered(b.m, wholeAnswer), nil
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					r := ask(b)
					r.Caller.User = "poor"
					if _, err := b.serve(t.Context(), r); err == nil || llm.AsError(err).Kind != llm.OverBudget {
						t.Errorf("got %v", err)
					}
				})
				synctest.Wait()
				wg.Go(func() {
					r := ask(b)
					reply, err := b.serve(t.Context(), r)
					if err != nil {
						t.Error(err)
						return
					}
					defer reply.Close()
					if status := reply.Header.Get("Cache-Status"); status != "corral; fwd=uri-miss" || r.Reuse.Free || r.Attempts != 1 {
						t.Errorf("%s %+v after %d attempts", status, r.Reuse, r.Attempts)
					}
				})
				synctest.Wait()
				close(gate)
				wg.Wait()
				if b.m.asked.Load() != 2 || len(b.c.flights) != 0 {
					t.Errorf("asked %d times, %d flights are left", b.m.asked.Load(), len(b.c.flights))
				}
			})
		})
	}
}

// What the question is written in is another's as soon as it is given back. The first caller may be long gone when the target is
// asked again for those who stayed.
func TestTheQuestionStaysWhileTheTargetMayReadIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			r := b.stream(io.EOF, streamHead, streamTail)
			r.Body.(*pieces).wait = func() error { <-gate; return nil }
			return r, nil
		}
		ctx, leave := context.WithCancel(t.Context())
		released := atomic.Bool{}
		first := b.call(streaming)
		first.Release = func() { released.Store(true) }
		reply, err := b.serve(ctx, first)
		if err != nil {
			t.Fatal(err)
		}
		late := b.call(streaming)
		second, err := b.serve(t.Context(), late)
		if err != nil {
			t.Fatal(err)
		}
		leave()
		reply.Close()
		first.Release()
		first.Release() // twice is once
		if released.Load() {
			t.Error("the question was given back while the target's call goes on")
		}
		close(gate)
		if _, err := readAll(second.Body); err != nil {
			t.Error(err)
		}
		second.Close()
		if released.Load() {
			t.Error("the question was given back before the call of the one who pays was written down")
		}
		if late.Release(); !released.Load() {
			t.Error("the question was never given back")
		}

		alone := b.call(strings.Replace(streaming, "two and two", "three and three", 1))
		alone.Release = func() { released.Store(true) }
		released.Store(false)
		if reply, err = b.serve(t.Context(), alone); err != nil {
			t.Fatal(err)
		}
		readAll(reply.Body)
		reply.Close()
		if released.Load() {
			t.Error("the question was given back before its caller's call was written down")
		}
		if alone.Release(); !released.Load() {
			t.Error("the question of one who was alone was never given back")
		}
	})
}

// Whoever reads for all may fail on it; the others hear of it instead of waiting for ever.
func TestOthersHearOfAPanicInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			r := b.stream(io.EOF, streamHead, streamTail)
			r.Body.(*pieces).wait = func() error { <-gate; panic("a body") }
			return r, nil
		}
		var wg sync.WaitGroup
		panics, told := atomic.Int64{}, atomic.Int64{}
		for range 3 {
			wg.Go(func() {
				reply, err := b.serve(t.Context(), b.call(streaming))
				if err != nil {
					t.Error(err)
					return
				}
				defer reply.Close()
				defer func() {
					if recover() != nil {
						panics.Add(1)
					}
				}()
				if _, err = reply.Body.Next(); err != nil && llm.AsError(err).Kind == llm.Internal {
					told.Add(1)
				}
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if panics.Load() != 1 || told.Load() != 2 || len(b.c.flights) != 0 {
			t.Errorf("%d panics, %d were told, %d flights are left", panics.Load(), told.Load(), len(b.c.flights))
		}
	})
}

// An answer that broke off is for those who waited for it; and one that is kept is found there, for as long as it is fresh and no longer,
// whoever still reads it.
func TestWhoComesLateAsksAnew(t *testing.T) {
	for name, end := range map[string]error{"broken off": &llm.Error{Kind: llm.Broken, Message: "gone"}, "kept": io.EOF} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
					if b.m.asked.Load() > 1 {
						return b.stream(io.EOF, streamHead, streamTail), nil
					}
					return b.stream(end, streamHead, streamTail), nil
				}
				slow, err := b.serve(t.Context(), b.call(streaming))
				if err != nil {
					t.Fatal(err)
				}
				defer slow.Close()
				quick, err := b.serve(t.Context(), b.call(streaming))
				if err != nil {
					t.Fatal(err)
				}
				readAll(quick.Body)
				quick.Close()
				b.now = b.now.Add(time.Hour)
				late, status := b.text(b.call(streaming))
				if late != streamHead+streamTail || b.m.asked.Load() != 2 || strings.Contains(status, "collapsed") {
					t.Errorf("got %q (%s) after %d calls", late, status, b.m.asked.Load())
				}
			})
		})
	}
}

// Many callers come, read and leave in any order, and targets fail in any way. Nobody waits for ever, nobody gets a part for the
// whole, one pays at most, and nothing is left. Worth running with -race and -test.count.
func TestAnyOrderOfComingAndLeaving(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 6))
			b := newBench(t)
			fails, breaks, panics := r.IntN(8) == 0, r.IntN(6) == 0, r.IntN(10) == 0
			pace := func() time.Duration { return time.Duration(r.IntN(4)) * time.Millisecond }
			begin, between := pace(), pace()
			pieces_ := r.IntN(5)
			var given, released atomic.Int64
			b.m.answer = func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				wait := func(d time.Duration) error {
					select {
					case <-time.After(d):
						return nil
					case <-ctx.Done():
						return llm.Ended(ctx)
					}
				}
				r.Reuse, r.Left = llm.Reuse{}, "somewhere"
				if err := wait(begin); err != nil {
					return nil, err
				}
				if fails {
					return nil, &llm.Error{Kind: llm.Unreachable, Message: "down"}
				}
				var lines []string
				for range pieces_ {
					lines = append(lines, streamHead)
				}
				end := error(io.EOF)
				if breaks {
					end = &llm.Error{Kind: llm.Broken, Message: "broken"}
				}
				reply := b.stream(end, append(lines, streamTail)...)
				reply.Body.(*pieces).wait = func() error {
					r.Attempts++ // as a stage does that tries again behind pings
					if panics {
						panic("a body")
					}
					return wait(between)
				}
				return reply, nil
			}
			want := strings.Repeat(streamHead, pieces_) + streamTail
			var wg sync.WaitGroup
			for range 24 {
				come, stay, slow := pace(), time.Duration(r.IntN(12))*time.Millisecond, pace()
				leaves := r.IntN(2) == 0
				wg.Go(func() {
					time.Sleep(come)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if leaves {
						defer time.AfterFunc(stay, cancel).Stop()
					}
					q := b.call(streaming)
					given.Add(1)
					q.Release = func() { released.Add(1) }
					defer func() { q.Release() }()
					defer func() { recover() }()
					reply, err := b.serve(ctx, q)
					if err != nil {
						return
					}
					defer reply.Close()
					var got []byte
					for {
						p, err := reply.Body.Next()
						got = append(got, p...)
						if err == io.EOF {
							if string(got) != want {
								t.Errorf("seed %d: %q, want %q", seed, got, want)
							}
							return
						}
						if err != nil || ctx.Err() != nil {
							return
						}
						if reply.Body.Last() && slow == 0 {
							return
						}
						time.Sleep(slow)
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			if len(b.c.flights) != 0 || given.Load() != released.Load() {
				t.Errorf("seed %d: %d flights are left, %d of %d questions were given back", seed, len(b.c.flights), released.Load(), given.Load())
			}
		})
	}
}

// Who has left pays for nothing that still comes, even before its own goroutine knows.
func TestWhoHasLeftHandsOverAtOnce(t *testing.T) {
	f := newFlight(newBench(t).now)
	first, _ := f.join(t.Context(), &llm.Request{})
	second, _ := f.join(t.Context(), &llm.Request{})
	first.callerGone()
	if f.payer != second {
		t.Error("the one who left pays")
	}
	second.callerGone()
	if f.payer == nil {
		t.Error("nobody pays")
	}
}

// What a target did before it failed is put down to the caller who had it asked, though others hear of it later.
func TestAFailureIsPaidForOnce(t *testing.T) {
	f := newFlight(newBench(t).now)
	asks, waits := &llm.Request{}, &llm.Request{}
	first, _ := f.join(t.Context(), asks)
	second, _ := f.join(t.Context(), waits)
	_, err := first.lead(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		r.Attempts = 2
		return nil, llm.Errorf(llm.Timeout, "cloud", nil, "It took too long.")
	}))
	if err == nil || asks.Reuse.Free || asks.Attempts != 2 {
		t.Errorf("the one who asked: %v, free: %v, %d attempts", err, asks.Reuse.Free, asks.Attempts)
	}
	if _, err := second.wait(); err == nil || !waits.Reuse.Free || waits.Attempts != 0 {
		t.Errorf("the one who waited: %v, free: %v, %d attempts", err, waits.Reuse.Free, waits.Attempts)
	}
}

// Who leaves while others read on pays for nothing, and that is known as soon as it hears of its own end: where the ledger is strict the
// call is written down then.
func TestWhoLeavesInTheMiddlePaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			r := b.stream(io.EOF, streamHead, streamTail)
			r.Body.(*pieces).wait = func() error { <-gate; return nil }
			return r, nil
		}
		first := b.call(streaming)
		reply, err := b.serve(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		second := b.call(streaming)
		other, err := b.serve(ctx, second)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { readAll(reply.Body) })
		synctest.Wait()
		wg.Go(func() {
			if _, err := other.Body.Next(); err == nil || !second.Reuse.Free {
				t.Errorf("%v, free: %v", err, second.Reuse.Free)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		other.Close()
		close(gate)
		wg.Wait()
		if reply.Close(); first.Reuse.Free {
			t.Error("nobody pays")
		}
	})
}
