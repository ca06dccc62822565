package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/event"
	"corral/store/ledger/record"
)

func open(t *testing.T, b *event.Bus, after string, types ...string) *event.Reader {
	t.Helper()
	r, err := b.Read(after, types...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// next is what a reader is given now, in words; it waits for nothing.
func next(t *testing.T, r *event.Reader) (out []string, err error) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	for {
		list, err := r.Next(ended)
		for _, x := range list {
			out = append(out, words(x))
		}
		if errors.Is(err, context.Canceled) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func words(x event.Told) string {
	switch e := x.Event.(type) {
	case event.Call:
		return "call " + e.RequestID
	case event.Breaker:
		return "breaker " + e.To
	case event.Gap:
		return fmt.Sprintf("gap %s %d", e.Why, e.Missed)
	case event.Dropped:
		return fmt.Sprintf("dropped %d", e.Missed)
	}
	return x.Event.Type()
}

func call(n int) event.Call         { return event.Call{RequestID: fmt.Sprint(n)} }
func breaker(to string) event.Event { return event.Breaker{Provider: "local", Model: "m", To: to} }

func TestWhatAReaderIsTold(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	fill := func(b *event.Bus, from, n int) {
		for i := range n {
			b.Publish(call(from + i))
		}
	}
	calls := func(from, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("call %d", from+i))
		}
		return out
	}
	for _, c := range []struct {
		name  string
		after func(b *event.Bus) string // run before the events below come
		types []string
		come  func(b *event.Bus)
		want  []string
	}{
		{"from now on", func(b *event.Bus) string { fill(b, 0, 3); return "" }, nil, func(b *event.Bus) {}, nil},
		{"all that is held", func(b *event.Bus) string { return "0" }, nil, func(b *event.Bus) { fill(b, 0, 2); b.Publish(breaker("open")); fill(b, 2, 1) },
			[]string{"call 0", "call 1", "breaker open", "call 2"}},
		{"exactly what was missed", func(b *event.Bus) string { fill(b, 0, 5); return last(t, b) }, nil, func(b *event.Bus) { fill(b, 5, 700); b.Publish(breaker("open")) },
			append(calls(5, 700), "breaker open")},
		{"nothing was missed", func(b *event.Bus) string { fill(b, 0, 5); return last(t, b) }, nil, func(b *event.Bus) {}, nil},
		{"some types", func(b *event.Bus) string { return "0" }, []string{"breaker", "config"}, func(b *event.Bus) {
			fill(b, 0, 2)
			b.Publish(breaker("open"))
			b.Publish(event.Config{InForce: true})
			b.Publish(event.Ledger{Failing: true})
		}, []string{"breaker open", "config"}},
		{"the feed has moved on", func(b *event.Bus) string { fill(b, 0, 5); return last(t, b) }, nil, func(b *event.Bus) { fill(b, 5, 4096+10) },
			append([]string{"gap too_late 10"}, calls(15, 4096)...)},
		{"calls do not push the rest out", func(b *event.Bus) string { fill(b, 0, 5); return last(t, b) }, []string{"breaker"},
			func(b *event.Bus) { b.Publish(breaker("open")); fill(b, 5, 10_000); b.Publish(breaker("closed")) }, []string{"breaker open", "breaker closed"}},
		{"what was pushed out between what was not", func(b *event.Bus) string { fill(b, 0, 5); return last(t, b) }, nil,
			func(b *event.Bus) { b.Publish(breaker("open")); fill(b, 5, 4096+10) }, append([]string{"gap too_late 10", "breaker open"}, calls(15, 4096)...)},
		{"of an earlier start", func(*event.Bus) string {
			earlier := event.New(start.Add(-time.Hour))
			fill(earlier, 0, 3)
			return last(t, earlier)
		}, nil, func(b *event.Bus) { fill(b, 0, 1) }, []string{"gap restarted 0", "call 0"}},
		{"of what has not happened", func(b *event.Bus) string { id := event.ID{Boot: idOf(t, b).Boot, Seq: 1 << 40}; return id.String() }, nil,
			func(b *event.Bus) { fill(b, 0, 1) }, []string{"gap restarted 0", "call 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := event.New(start)
			after := c.after(b)
			var r *event.Reader
			if after == "" {
				r = open(t, b, after, c.types...)
				c.come(b)
			} else {
				c.come(b)
				r = open(t, b, after, c.types...)
			}
			got, err := next(t, r)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v\ngot  %.300s\nwant %.300s", err, strings.Join(got, ", "), strings.Join(c.want, ", "))
			}
		})
	}
}

func idOf(t *testing.T, b *event.Bus) event.ID {
	t.Helper()
	r, err := b.Read("")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Position()
}

// last is the id of the newest event.
func last(t *testing.T, b *event.Bus) string { return idOf(t, b).String() }

func TestAReaderThatIsTooSlowIsLetGo(t *testing.T) {
	b := event.New(time.Now())
	slow, quick, other := open(t, b, ""), open(t, b, ""), open(t, b, "", "breaker")
	b.Publish(call(0))
	if got, err := next(t, slow); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	place := slow.Position().String()
	for i := range 5000 {
		b.Publish(call(i))
		if _, err := next(t, quick); err != nil {
			t.Fatal(err)
		}
	}
	list, err := slow.Next(t.Context())
	if err != event.ErrDropped || len(list) != 1 || words(list[0]) != "dropped 904" || list[0].ID.String() != place {
		t.Errorf("%v %v", list, err)
	}
	// It comes back with the id of its last event.
	if got, err := next(t, open(t, b, list[0].ID.String())); err != nil || len(got) != 4097 || got[0] != "gap too_late 904" || got[1] != "call 904" {
		t.Errorf("%d %.100s %v", len(got), strings.Join(got, ", "), err)
	}
	b.Publish(breaker("open"))
	if got, err := next(t, other); err != nil || len(got) != 1 {
		t.Errorf("who reads no calls got %q %v", got, err)
	}
	if _, dropped := b.Readers(); dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestBytesAreBoundedToo(t *testing.T) {
	b := event.New(time.Now())
	for range 3000 {
		b.Publish(event.Ledger{Why: strings.Repeat("x", 1<<10)})
	}
	got, err := next(t, open(t, b, "0"))
	if want := (4 << 20) / (1<<10 + 512); err != nil || len(got) != want {
		t.Errorf("%d are held, want %d; %v", len(got), want, err)
	}
}

func TestReadersWaitAndAreWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := event.New(time.Now())
		var wg sync.WaitGroup
		counts := make([]int, 100)
		for i := range counts {
			r, err := b.Read("")
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer r.Close()
				for {
					list, err := r.Next(context.Background())
					counts[i] += len(list)
					if err != nil {
						if err != event.ErrClosed {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		synctest.Wait() // all wait
		if !b.Listening() {
			t.Error("nobody listens")
		}
		for i := range 10 {
			b.Publish(call(i))
			synctest.Wait()
		}
		for i := range 10 {
			b.Publish(breaker(fmt.Sprint(i)))
		}
		b.Close() // what was told before is told to the end
		wg.Wait()
		for i, n := range counts {
			if n != 20 {
				t.Errorf("reader %d got %d events", i, n)
			}
		}
		if b.Listening() {
			t.Error("somebody still listens")
		}
	})
}

func TestReadersAreBounded(t *testing.T) {
	b := event.New(time.Now())
	for range event.MaxReaders {
		open(t, b, "")
	}
	if _, err := b.Read(""); err != event.ErrTooMany {
		t.Error(err)
	}
}

func TestWhatIsNoIDOrTypeIsRefused(t *testing.T) {
	b := event.New(time.Now())
	for _, id := range []string{"x", "1", "-1", "0000000000000000", "0000000000000000-", "0000000000000000--1", "g000000000000000-1", "00000000000000001-1"} {
		if _, err := b.Read(id); !errors.Is(err, event.ErrID) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := b.Read("", "call", "cull"); !errors.Is(err, event.ErrType) || !strings.Contains(err.Error(), "call, load") {
		t.Error(err)
	}
	if b.Listening() {
		t.Error("who was refused still counts")
	}
}

// TestTypesAreWhole fills every field of every type: it has to come back from JSON, and to count for the bound.
func TestTypesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range event.Types() {
		v := reflect.New(reflect.TypeOf(e)).Elem()
		texts := 0
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.String:
				f.SetString("0123456789")
				texts += 10
			case reflect.Int, reflect.Int64:
				f.SetInt(7)
			case reflect.Uint64:
				f.SetUint(7)
			case reflect.Float64:
				f.SetFloat(1.5)
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Slice:
				f.Set(reflect.ValueOf([]string{"0123456789"}))
				texts += 10 + 16
			default:
				switch v.Type().Field(i).Type {
				case reflect.TypeFor[record.Money]():
					f.Set(reflect.ValueOf(record.Nano(7)))
				case reflect.TypeFor[time.Time]():
					f.Set(reflect.ValueOf(time.Unix(7, 0).UTC()))
				case reflect.TypeFor[record.Flags]():
					f.Set(reflect.ValueOf(record.Streamed))
				default:
					t.Fatalf("%s: no value for %s", e.Type(), v.Type().Field(i).Name)
				}
			}
		}
		full := v.Interface().(event.Event)
		told := event.Told{ID: event.ID{Boot: 1, Seq: 2}, Time: time.Unix(1, 0).UTC(), Event: full}
		b, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		var back event.Told
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, told) {
			t.Errorf("%v\n%s\n%+v", err, b, back)
		}
		if got := event.Size(full); got != texts {
			t.Errorf("%s: its texts count %d bytes, and are %d", e.Type(), got, texts)
		}
		if e.Type() == "" || seen[e.Type()] {
			t.Errorf("the type %q is there twice", e.Type())
		}
		seen[e.Type()] = true
	}
}

func TestATypeOfANewerCorralIsReadAsItIs(t *testing.T) {
	const line = `{"id":"0000000000000001-2","type":"eclipse","time":"2026-01-01T00:00:00Z","data":{"whole":true}}`
	var x event.Told
	if err := json.Unmarshal([]byte(line), &x); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(x); err != nil || string(b) != line || x.Event.Type() != "eclipse" {
		t.Errorf("%s %v", b, err)
	}
}

func TestPublishingFromManyPlacesKeepsTheOrder(t *testing.T) {
	b := event.New(time.Now())
	r := open(t, b, "")
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if p == 0 {
					b.Publish(breaker(fmt.Sprint(i)))
				} else {
					b.Publish(call(i))
				}
			}
		})
	}
	var seq uint64
	for n := 0; n < 1600; {
		list, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if x.ID.Seq != seq+1 {
				t.Fatalf("after %d came %d", seq, x.ID.Seq)
			}
			seq++
			n++
		}
	}
	wg.Wait()
}

func BenchmarkPublish(b *testing.B) {
	e := event.Call{RequestID: "req_0123456789abcdef00000001", Dialect: "ollama", Endpoint: "chat", Model: "llama3.2", Answered: "llama3.2", Provider: "local", Route: "model", Status: 200}
	for _, readers := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			bus := event.New(time.Now())
			var wg sync.WaitGroup
			for range readers {
				r, err := bus.Read("")
				if err != nil {
					b.Fatal(err)
				}
				wg.Go(func() {
					defer r.Close()
					for {
						if _, err := r.Next(context.Background()); err != nil {
							return
						}
						<-time.After(20 * time.Millisecond) // as the feed over HTTP does
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				bus.Publish(e)
			}
			bus.Close()
			wg.Wait()
		})
	}
}
