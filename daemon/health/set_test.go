package health

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSetTellsOfChangesOnly(t *testing.T) {
	var told []string
	s := NewSet(func(c Change) { told = append(told, fmt.Sprintf("%s %s>%s", c.Name(), c.Was, c.Severity)) })
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	for _, c := range []struct {
		source string
		found  []Found
		want   []string
	}{
		{"a", []Found{{Code: Memory}, {Code: Provider, Subject: "x"}}, nil},
		{"a", []Found{{Code: Memory, Severity: Warning}, {Code: Provider, Subject: "x"}}, []string{"memory ok>warning"}},
		{"a", []Found{{Code: Memory, Severity: Warning, Text: "another"}, {Code: Provider, Subject: "x"}}, nil},
		{"b", []Found{{Code: Disk, Severity: Critical}}, []string{"disk ok>critical"}},
		{"a", []Found{{Code: Memory, Severity: Critical}, {Code: Provider, Subject: "x", Severity: Warning}}, []string{"memory warning>critical", "provider x ok>warning"}},
		{"a", []Found{{Code: Memory}}, []string{"memory critical>ok", "provider x warning>ok"}},
		{"b", nil, []string{"disk critical>ok"}},
		{"b", nil, nil},
	} {
		told = nil
		s.Put(c.source, at(100), c.found)
		slices.Sort(told[:])
		slices.Sort(c.want)
		if !slices.Equal(told, c.want) {
			t.Errorf("%s %v: told %q, want %q", c.source, c.found, told, c.want)
		}
	}

	s.Put("a", at(1), []Found{{Code: Memory, Severity: Warning}})
	s.Put("a", at(2), []Found{{Code: Memory, Severity: Warning}})
	if c := s.List()[0]; c.Since != at(1) || c.Do == "" || c.Title == "" {
		t.Errorf("%+v", c)
	}
	s.Put("a", at(3), []Found{{Code: Memory}})
	if c := s.List()[0]; c.Since != at(3) || c.Do != "" {
		t.Errorf("%+v", c)
	}
	many := make([]Found, 2*maxSubjects)
	for i := range many {
		many[i] = Found{Code: Provider, Subject: fmt.Sprint(i)}
	}
	s.Put("a", at(4), many)
	if n := len(s.List()); n != maxSubjects {
		t.Errorf("%d conditions of one source", n)
	}
}

func TestWhatDependsOnWhatIsNotWellSaysNothing(t *testing.T) {
	s := NewSet(nil)
	s.Put("a", time.Unix(0, 0), []Found{
		{Code: Provider, Subject: "gone", Severity: Warning},
		{Code: Provider, Subject: "here"},
		{Code: ModelPresent, Subject: "gone/m", Severity: Warning},
		{Code: ModelPresent, Subject: "here/m", Severity: Warning},
		{Code: ModelPresent, Subject: "gone2/m", Severity: Warning},
		{Code: ModelLoaded, Subject: "here/m", Severity: Notice},
		{Code: Memory, Severity: Critical},
	})
	want := []string{"provider gone warning ", "provider here ok ", "model-present gone/m ok provider gone must be well first", "model-present gone2/m warning ",
		"model-present here/m warning ", "model-loaded here/m ok model-present here/m must be well first", "memory critical "}
	var got []string
	for _, c := range s.List() {
		got = append(got, fmt.Sprintf("%s %s %s", c.Name(), c.Severity, c.Absent))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s.Severity(ModelPresent) != Warning || s.Severity(Disk) != OK || Worst(s.List()) != Critical {
		t.Error(s.Severity(ModelPresent), s.Severity(Disk), Worst(s.List()))
	}
	b, err := json.Marshal(s.List())
	var again []Condition
	if err == nil {
		err = json.Unmarshal(b, &again)
	}
	if err != nil || len(again) != len(want) || again[0].Severity != Warning {
		t.Errorf("%v %s", err, b)
	}
	if json.Unmarshal([]byte(`"bad"`), new(Severity)) == nil {
		t.Error("a severity that there is not")
	}
}

func TestKindsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if k.Code == "" || k.Title == "" || k.When == "" || k.Do == "" || k.Worst == OK || seen[k.Code] {
			t.Errorf("%+v", k)
		}
		if k.DependsOn != "" && !seen[k.DependsOn] {
			t.Errorf("%s depends on %q, which does not stand before it", k.Code, k.DependsOn)
		}
		seen[k.Code] = true
	}
}

// TestWatch: each source looks at its own times; one that is late holds up nobody, and is not asked twice.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		looks := map[string][]int{}
		look := func(name string, takes time.Duration, wait time.Duration) func(context.Context) ([]Found, time.Duration) {
			return func(ctx context.Context) ([]Found, time.Duration) {
				mu.Lock()
				looks[name] = append(looks[name], int(time.Since(began).Seconds()))
				mu.Unlock()
				if takes > 0 {
					select {
					case <-time.After(takes):
					case <-ctx.Done():
						if name == "held" { // by the kernel, which knows no deadline
							time.Sleep(takes)
						}
					}
				}
				return []Found{{Code: Memory, Subject: name}}, wait
			}
		}
		var late []string
		set := NewSet(nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Watch(ctx, set, []Source{
				{Name: "often", Every: 2 * time.Second, Deadline: time.Second, Look: look("often", 0, 0)},
				{Name: "later", Every: 5 * time.Second, After: 3 * time.Second, Deadline: time.Second, Look: look("later", 0, 0)},
				{Name: "dear", Every: 2 * time.Second, Deadline: time.Second, Look: look("dear", 0, 7*time.Second)},
				{Name: "slow", Every: time.Second, Deadline: 4 * time.Second, Look: look("slow", 3*time.Second, 0)},
				{Name: "held", Every: time.Second, Deadline: time.Second, Look: look("held", 100*time.Second, 0)},
			}, func(source string, after time.Duration) { late = append(late, fmt.Sprint(source, " ", after)) })
		}()
		time.Sleep(20*time.Second - time.Millisecond)
		synctest.Wait()
		stop()
		stopped := time.Now()
		<-done
		if took := time.Since(stopped); took > time.Second {
			t.Errorf("the end took %v", took)
		}
		mu.Lock()
		want := map[string][]int{"often": {0, 2, 4, 6, 8, 10, 12, 14, 16, 18}, "later": {3, 8, 13, 18}, "dear": {0, 7, 14}, "slow": {0, 6, 12, 18}, "held": {0}}
		if !reflect.DeepEqual(looks, want) {
			t.Errorf("looks %v\nwant  %v", looks, want)
		}
		mu.Unlock()
		if !slices.Equal(late, []string{"held 2s"}) {
			t.Errorf("late: %q", late)
		}
		if n := len(set.List()); n != 4 {
			t.Errorf("%d conditions", n)
		}
		time.Sleep(200 * time.Second) // what was held comes back
	})
}
