package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Change is a condition that took another severity.
type Change struct {
	Condition
	Was Severity
}

// Set is all conditions as they were found last.
type Set struct {
	changed func(Change) // nil: nobody wants to know
	kinds   map[string]Kind
	order   map[string]int

	mu      sync.Mutex // guards what follows
	sources map[string]map[key]*Condition
}

type key struct{ code, subject string }

// maxSubjects bounds the conditions of one source: names of models come from the config and from callers.
const maxSubjects = 1000

// NewSet makes an empty one. changed is told of each condition that takes another severity, in the order in which they do, and must
// be quick; it may be nil.
func NewSet(changed func(Change)) *Set {
	s := &Set{changed: changed, kinds: map[string]Kind{}, order: map[string]int{}, sources: map[string]map[key]*Condition{}}
	for i, k := range Kinds() {
		s.kinds[k.Code], s.order[k.Code] = k, i
	}
	return s
}

// Put replaces what source found before. A condition that it no longer names is forgotten, and told as well again if it was not.
func (s *Set) Put(source string, at time.Time, found []Found) {
	if len(found) > maxSubjects {
		found = found[:maxSubjects]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was, now := s.sources[source], make(map[key]*Condition, len(found))
	var changes []Change
	for _, f := range found {
		k := s.kinds[f.Code]
		c := &Condition{Code: f.Code, Subject: f.Subject, Title: k.Title, Severity: f.Severity, Text: f.Text, Do: cmp.Or(f.Do, k.Do), Absent: f.Absent, DependsOn: k.DependsOn, Since: at}
		if c.Severity == OK {
			c.Do = ""
		}
		old := was[key{f.Code, f.Subject}]
		if old != nil && old.Severity == c.Severity {
			c.Since = old.Since
		}
		now[key{f.Code, f.Subject}] = c
		switch {
		case old == nil && c.Severity != OK:
			changes = append(changes, Change{*c, OK})
		case old != nil && old.Severity != c.Severity:
			changes = append(changes, Change{*c, old.Severity})
		}
	}
	for k, old := range was {
		if now[k] == nil && old.Severity != OK {
			gone := *old
			gone.Severity, gone.Text, gone.Do, gone.Since = OK, "no longer there", "", at
			changes = append(changes, Change{gone, old.Severity})
		}
	}
	s.sources[source] = now
	if s.changed != nil {
		for _, c := range changes {
			s.changed(c)
		}
	}
}

// List is every condition, in the order of Kinds. One that depends on another that is not well says nothing of its own.
func (s *Set) List() []Condition {
	s.mu.Lock()
	var all []Condition
	for _, found := range s.sources {
		for _, c := range found {
			all = append(all, *c)
		}
	}
	s.mu.Unlock()
	for i := range all {
		c := &all[i]
		if c.DependsOn == "" || c.Severity == OK {
			continue
		}
		for j := range all {
			if on := &all[j]; on.Code == c.DependsOn && on.Severity >= Warning && about(c.Subject, on.Subject) {
				c.Severity, c.Do, c.Absent = OK, "", on.Name()+" must be well first"
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(s.order[a.Code], s.order[b.Code]), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}

// about reports whether a subject is another, or a part of it: local/llama3.2 of local.
func about(part, whole string) bool {
	return whole == "" || part == whole || len(part) > len(whole) && part[len(whole)] == '/' && part[:len(whole)] == whole
}

// Severity is how bad the conditions with this code are, the worst of them.
func (s *Set) Severity(code string) Severity {
	worst := OK
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, found := range s.sources {
		for k, c := range found {
			if k.code == code {
				worst = max(worst, c.Severity)
			}
		}
	}
	return worst
}

// Worst is how bad all of list is together.
func Worst(list []Condition) Severity {
	worst := OK
	for _, c := range list {
		worst = max(worst, c.Severity)
	}
	return worst
}
