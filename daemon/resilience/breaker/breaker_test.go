package breaker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

func rules() Rules {
	return Rules{Failures: 3, OpenFor: time.Minute, RefusedFor: time.Second, Probes: 2, AuthFor: 5 * time.Minute, MaxLimited: 10 * time.Minute}
}

func begin(t *testing.T, b *Breaker) *Pass {
	t.Helper()
	var p Pass
	if r := b.Allow(&p); r != nil {
		t.Fatalf("refused: %+v", *r)
	}
	return &p
}

// Each letter of a script is a step: s, f, r, u are calls that end so (succeeded, failed, refused,
// unjudged); - is a call that is not let through; + lets a second pass, m a minute.
func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         State
	}{
		{"new", "", Closed},
		{"failures in a row", "fff-", Open},
		{"not in a row", "ffsffsff", Closed},
		{"what is not judged does not interrupt a row", "fufuf-", Open},
		{"what is not judged never opens", strings.Repeat("u", 100), Closed},
		{"open until its time is over", "fff-+-", Open},
		{"and half-open from then on, also when nobody calls", "fff-+-m", HalfOpen},
		{"a refused one too", "rrr-+", HalfOpen},
		{"half-open", "fffmu", HalfOpen},
		{"half-open and one success of two", "fffms", HalfOpen},
		{"closed again", "fffmss", Closed},
		{"closed again counts anew", "fffmssff", Closed},
		{"half-open and a failure", "fffmsf-", Open},
		{"half-open and a failure after a minute", "fffmf-mss", Closed},
		{"refused connections are tried again soon", "rrr-+ss", Closed},
		{"but not at once", "rrr-", Open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(llm.Target{}, rules(), nil)
				for i, step := range tt.script {
					switch step {
					case 's', 'f', 'r', 'u':
						begin(t, b).Done(map[rune]Outcome{'s': Succeeded, 'f': Failed, 'r': Refused, 'u': Unjudged}[step])
					case '-':
						if b.Allow(new(Pass)) == nil {
							t.Fatalf("step %d: the call was let through", i)
						}
					case '+':
						time.Sleep(time.Second)
					case 'm':
						time.Sleep(time.Minute)
					}
				}
				if s := b.Snapshot(); s.State != tt.want || s.Probing != 0 {
					t.Errorf("%+v, want %v", s, tt.want)
				}
			})
		})
	}
}

func TestRate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two calls
		calls string
		want  State
	}{
		{"too few calls", 0, "fffffffff", Closed},
		{"half of them", 0, "sfsfsfsfsf", Open},
		{"less than half", 0, strings.Repeat("ssf", 20), Closed},
		{"old ones are forgotten", 1500 * time.Millisecond, strings.Repeat("f", 30), Closed}, // 7 in a window
		{"just often enough", 900 * time.Millisecond, strings.Repeat("f", 30), Open},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(llm.Target{}, Rules{Rate: 0.5, Window: 10 * time.Second, MinCalls: 10, OpenFor: time.Hour}, nil)
				for _, c := range tt.calls {
					var p Pass
					if b.Allow(&p) != nil {
						break
					}
					p.Done(map[rune]Outcome{'s': Succeeded, 'f': Failed}[c])
					time.Sleep(tt.every)
				}
				if s := b.Snapshot(); s.State != tt.want {
					t.Errorf("%+v, want %v", s, tt.want)
				}
			})
		})
	}
}

// What comes of calls begun before a change of state must neither decide anything nor give a probe's place back.
func TestLateResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(llm.Target{}, rules(), nil)
		var late []*Pass
		for range 10 {
			late = append(late, begin(t, b))
		}
		for range 3 {
			begin(t, b).Done(Failed)
		}
		late[0].Done(Succeeded)
		late[1].Done(Failed)
		if s := b.Snapshot(); s.State != Open || s.Failures != 3 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Minute)
		one, two := begin(t, b), begin(t, b)
		for i, o := range []Outcome{Succeeded, Succeeded, Succeeded, Failed, Refused, Unjudged} {
			late[2+i].Content(false)
			late[2+i].Done(o)
			if s := b.Snapshot(); s.State != HalfOpen || s.Probing != 2 {
				t.Fatalf("after a late %v: %+v", o, s)
			}
			if b.Allow(new(Pass)) == nil {
				t.Fatalf("after a late %v a third probe was let through", o)
			}
		}
		one.Done(Unjudged)
		one.Done(Succeeded) // of a pass that has ended nothing is heard
		one = begin(t, b)
		one.Done(Failed)
		if s := b.Snapshot(); s.State != Open {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Minute)
		begin(t, b)
		two.Done(Succeeded) // a probe of the time before
		late[8].Limited(time.Hour)
		late[9].Denied(401)
		if s := b.Snapshot(); s.State != HalfOpen || s.Probing != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

// A probe that streams shows with its first content that there is somebody; the next may come then.
func TestLongProbesDoNotKeepOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rules()
		r.Probes = 1
		b := New(llm.Target{}, r, nil)
		b.Open()
		time.Sleep(time.Minute)
		long := begin(t, b)
		if b.Allow(new(Pass)) == nil {
			t.Fatal("two probes without an answer")
		}
		long.Content(false)
		other := begin(t, b)
		other.Content(false)
		long.Done(Failed)
		if s := b.Snapshot(); s.State != Open {
			t.Fatalf("%+v", s)
		}
		other.Done(Succeeded)
		if s := b.Snapshot(); s.State != Open {
			t.Fatalf("%+v", s)
		}
	})
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rules()
		r.Slow = time.Second
		b := New(llm.Target{}, r, nil)
		call := func(takes time.Duration, patient bool) {
			p := begin(t, b)
			time.Sleep(takes)
			p.Content(patient)
			time.Sleep(time.Hour) // the rest of the stream may take its time
			p.Done(Succeeded)
		}
		for range 5 {
			call(time.Second, false)
			call(time.Minute, true)
		}
		if s := b.Snapshot(); s.Failures != 0 {
			t.Fatalf("%+v", s)
		}
		for range 3 {
			call(1100*time.Millisecond, false)
		}
		if s := b.Snapshot(); s.State != Open || s.Why != "3 calls in a row failed or were slow" {
			t.Errorf("%+v", s)
		}
	})
}

func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(llm.Target{}, rules(), nil)
		for range 20 {
			begin(t, b).Limited(0) // the target did not say for how long
		}
		if s := b.Snapshot(); s.State != Closed {
			t.Fatalf("%+v", s)
		}
		one, two, three := begin(t, b), begin(t, b), begin(t, b)
		one.Limited(20 * time.Second)
		two.Limited(5 * time.Second) // does not shorten it
		refusal := b.Allow(new(Pass))
		if refusal == nil || refusal.State != Limited || time.Until(refusal.Until) != 20*time.Second {
			t.Fatalf("%+v", refusal)
		}
		if b.Refuses(time.Now().Add(20*time.Second)) != nil {
			t.Error("it would still refuse when the time is over")
		}
		time.Sleep(20 * time.Second)
		begin(t, b).Done(Succeeded)
		three.Limited(1000 * time.Hour)
		if s := b.Snapshot(); s.State != Limited || s.Failures != 0 || time.Until(s.NextProbe) != 10*time.Minute {
			t.Errorf("%+v: an absurd Retry-After must be cut", s)
		}
	})
}

func TestAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(llm.Target{}, rules(), nil)
		begin(t, b).Denied(403) // may be about what was asked for
		begin(t, b).Denied(403)
		begin(t, b).Done(Succeeded)
		begin(t, b).Denied(403)
		begin(t, b).Denied(403)
		if s := b.Snapshot(); s.State != Closed {
			t.Fatalf("%+v", s)
		}
		begin(t, b).Denied(403)
		if s := b.Snapshot(); s.State != Auth || s.Failures != 0 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(5 * time.Minute)
		old := begin(t, b)
		begin(t, b).Denied(401)
		if r := b.Allow(new(Pass)); r == nil || r.State != Auth {
			t.Fatalf("%+v", r)
		}
		b.Set(rules())
		begin(t, b).Done(Succeeded)
		old.Denied(401) // of the key before
		if s := b.Snapshot(); s.State != Closed {
			t.Errorf("%+v", s)
		}
	})
}

func TestByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		b := New(llm.Target{Provider: "p", Model: "m"}, rules(), func(c Change) {
			told = append(told, c.From.String()+" > "+c.To.String()+": "+c.Why)
		})
		b.Open()
		if b.Allow(new(Pass)) == nil {
			t.Error("opened by hand, and a call went through")
		}
		b.Close()
		begin(t, b).Denied(401)
		b.Close()
		b.Pin(PinnedClosed)
		b.Pin(PinnedClosed) // is no news
		for range 10 {
			begin(t, b).Done(Failed)
		}
		b.Pin(PinnedOpen)
		time.Sleep(24 * time.Hour)
		if b.Allow(new(Pass)) == nil {
			t.Error("pinned open, and a call went through")
		}
		if s := b.Snapshot(); s.Pin != PinnedOpen || s.State != Open || !s.NextProbe.IsZero() {
			t.Errorf("%+v", s)
		}
		b.Pin(Unpinned)
		begin(t, b).Done(Succeeded)
		want := []string{"closed > open: opened by hand", "open > closed: closed by hand", "closed > auth: it refuses Corral's key with status 401",
			"auth > closed: closed by hand", "closed > closed: pinned closed by hand", "closed > open: pinned open by hand", "open > closed: unpinned"}
		if strings.Join(told, "\n") != strings.Join(want, "\n") {
			t.Errorf("told:\n%s", strings.Join(told, "\n"))
		}
	})
}

// Status, health and metrics once said for ever that a target is left alone which nobody called.
func TestAnOpenBreakerThatNobodyCallsShowsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		b := New(llm.Target{}, rules(), func(Change) { told++ })
		b.Open()
		opened := time.Now()
		time.Sleep(time.Hour)
		s := b.Snapshot()
		if s.State != HalfOpen || !s.Since.Equal(opened.Add(time.Minute)) || s.Why != "opened by hand; the next call tries it" || !s.NextProbe.IsZero() {
			t.Errorf("%+v", s)
		}
		if b.Pin(PinnedOpen); b.Snapshot().State != Open {
			t.Errorf("pinned: %+v", b.Snapshot())
		}
		b.Pin(Unpinned)
		if told != 3 {
			t.Errorf("%d changes were told, and looking is none", told)
		}
	})
}

func TestChangesMayLookAtTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Breaker
		var seen []State
		b = New(llm.Target{}, rules(), func(Change) { seen = append(seen, b.Snapshot().State) })
		for range 3 {
			begin(t, b).Done(Failed)
		}
		time.Sleep(time.Minute)
		begin(t, b).Done(Succeeded)
		begin(t, b).Done(Succeeded)
		if len(seen) != 3 || seen[0] != Open || seen[1] != HalfOpen || seen[2] != Closed {
			t.Errorf("%v", seen)
		}
	})
}

func BenchmarkPass(b *testing.B) {
	x := New(llm.Target{}, Rules{Failures: 5, Rate: 0.5, OpenFor: time.Minute}, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var p Pass
			x.Allow(&p)
			p.Content(false)
			p.Done(Succeeded)
		}
	})
}
