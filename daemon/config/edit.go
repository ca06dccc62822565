package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Edit is one change to the text of a config file. What it does not touch stays as it stands there, comments and blank lines
// too.
type Edit struct {
	// Op is set (the value at Path becomes Value; null removes it), add (Value becomes the last of the list at Path), remove,
	// or move (the entry at Path goes to the place To of its list).
	Op string `json:"op" enum:"set,add,remove,move"`
	// Path is a field, such as breaker.failures or providers[0].url. An entry of a list that has names may be meant by its
	// name: models[chat].targets. A name in quotes is never a number: models["7"].
	Path  string          `json:"path" doc:"such as breaker.failures, providers[openai].url or models[chat].targets[0]"`
	Value json.RawMessage `json:"value,omitempty" doc:"of set and add; null: remove"`
	To    int             `json:"to,omitempty" minimum:"0" doc:"of move: the place in the list, from 0"`
}

// EditError is an edit that cannot be done.
type EditError struct {
	Path, Message string
}

func (e *EditError) Error() string { return e.Path + ": " + e.Message }

// Apply makes the edits, one after the other, in the text of a config file. It does not check what comes out (Parse does). The
// error is an *EditError, or an *Errors when the file is not YAML that can be edited.
func Apply(name string, data []byte, edits []Edit) ([]byte, error) {
	// The parser's places are wrong in a file whose lines end as on Windows.
	windows := bytes.Count(data, []byte("\r\n"))
	windowsAll := windows > 0 && windows == bytes.Count(data, []byte("\n"))
	if windows > 0 && len(edits) > 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	for _, e := range edits {
		next, err := apply(name, data, e)
		if err != nil {
			return nil, err
		}
		data = next
	}
	if windowsAll && len(edits) > 0 {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	return data, nil
}

// step is one part of a path: a field, or an entry by number or name.
type step struct {
	field string // empty: an entry
	name  string // of an entry; empty: by number
	index int
}

func steps(path string) ([]step, error) {
	bad := &EditError{show(path), "is not a path; write for example breaker.failures, providers[0].url or models[chat].targets"}
	var out []step
	for rest := path; rest != ""; {
		switch {
		case rest[0] == '[' && strings.HasPrefix(rest, `["`):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(quoted):], "]") || len(out) == 0 {
				return nil, bad
			}
			name, err := strconv.Unquote(quoted)
			if err != nil || name == "" { // no name would be the number 0
				return nil, bad
			}
			out = append(out, step{name: name})
			rest = rest[len(quoted)+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 || len(out) == 0 {
				return nil, bad
			}
			s := step{name: rest[1:end]}
			if n, err := strconv.Atoi(s.name); err == nil {
				if s.name[0] == '+' || s.name[0] == '-' {
					return nil, bad
				}
				s = step{index: n}
			}
			out = append(out, s)
			rest = rest[end+1:]
		default:
			if len(out) > 0 {
				if rest[0] != '.' {
					return nil, bad
				}
				rest = rest[1:]
			}
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, bad
			}
			out = append(out, step{field: rest[:end]})
			rest = rest[end:]
		}
	}
	if len(out) == 0 {
		return nil, bad
	}
	return out, nil
}

// apply makes one edit, and makes sure that the text then says what was asked for and nothing else.
func apply(name string, data []byte, e Edit) ([]byte, error) {
	path, err := steps(e.Path)
	if err != nil {
		return nil, err
	}
	value, remove, err := e.value()
	if err != nil {
		return nil, err
	}
	rep := newReport(name)
	tree := readYAML(data, rep)
	if err := rep.err(); err != nil {
		return nil, err
	}
	// A list that the file does not have is the default one until it has: who adds a provider keeps the one there is.
	if base := defaultList(tree, path, e.Op); base != nil {
		made, err := apply(name, data, Edit{Op: "set", Path: base.path, Value: base.value})
		if err != nil {
			return nil, err
		}
		return apply(name, made, e)
	}
	at, err := resolve(tree, path, e)
	if err != nil {
		return nil, err
	}
	want := change(deepCopy(tree), at, e, value, remove)
	out, ok := rewrite(data, at, e, value, remove)
	if ok && says(name, out, want) {
		return out, nil
	}
	// The text has a shape that is not known here. The smallest part of it around the edit that can be written anew is.
	for up := len(at) - 1; up > 0; up-- {
		whole, present := valueAt(want, at[:up])
		out, ok := rewrite(data, at[:up], Edit{Op: "set"}, rebuilt(whole), !present || whole == nil)
		if ok && says(name, out, want) {
			return out, nil
		}
	}
	return nil, &EditError{e.Path, "the file is written in a way that only a person can edit; change it in the text"}
}

// value reads what the edit brings, in the order in which it was given.
func (e Edit) value() (value any, remove bool, err error) {
	switch e.Op {
	case "remove":
		return nil, true, nil
	case "move":
		return nil, false, nil
	case "set", "add":
	default:
		return nil, false, &EditError{e.Path, show(e.Op) + " is not known; use set, add, remove or move"}
	}
	dec := json.NewDecoder(bytes.NewReader(e.Value))
	dec.UseNumber()
	value, err = ordered(dec, 0)
	if err != nil {
		return nil, false, &EditError{e.Path, "its value is not JSON"}
	}
	if value == nil && e.Op == "add" {
		return nil, false, &EditError{e.Path, "has no value to add"}
	}
	return value, value == nil, nil
}

// ordered reads one value of JSON in the words of encode.
func ordered(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("too deep")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '[' {
			list := []any{}
			for dec.More() {
				item, err := ordered(dec, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, item)
			}
			_, err := dec.Token()
			return list, err
		}
		fields := section{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := ordered(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if value != nil {
				fields = append(fields, struct {
					name  string
					value any
				}{key.(string), value})
			}
		}
		_, err := dec.Token()
		return fields, err
	case string:
		return v, nil
	case json.Number:
		return literal(v), nil
	case bool:
		return literal(strconv.FormatBool(v)), nil
	}
	return nil, nil
}

type listEdit struct {
	path  string
	value json.RawMessage
}

// defaultList is the edit that writes out the default of a list which the edit reaches into and the file leaves out.
func defaultList(tree map[string]any, path []step, op string) *listEdit {
	at := ""
	for i, s := range path {
		if s.field == "" {
			return nil
		}
		at = join(at, s.field)
		inside := i+1 < len(path) && path[i+1].field == ""
		if !inside && !(op == "add" && i == len(path)-1) {
			continue
		}
		if v, ok := valueAt(tree, path[:i+1]); ok && v != nil {
			return nil
		}
		defaults, err := encode(reflect.ValueOf(Default()))
		if err != nil {
			return nil
		}
		list, ok := lookupOrdered(defaults, path[:i+1]).([]any)
		if !ok || len(list) == 0 {
			return nil
		}
		b, err := json.Marshal(list)
		if err != nil {
			return nil
		}
		return &listEdit{at, b}
	}
	return nil
}

func lookupOrdered(v any, path []step) any {
	for _, s := range path {
		fields, ok := v.(section)
		if !ok {
			return nil
		}
		v = nil
		for _, f := range fields {
			if f.name == s.field {
				v = f.value
			}
		}
	}
	return v
}

// valueAt is what stands at a path without names.
func valueAt(v any, path []step) (any, bool) {
	for _, s := range path {
		switch in := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = in[s.field]; !ok || s.field == "" {
				return nil, false
			}
		case []any:
			if s.field != "" || s.index >= len(in) {
				return nil, false
			}
			v = in[s.index]
		default:
			return nil, false
		}
	}
	return v, true
}

// resolve turns names of entries into numbers, and refuses what is not there.
func resolve(tree map[string]any, path []step, e Edit) ([]step, error) {
	at := slices.Clone(path)
	for i, s := range at {
		if s.field != "" {
			above, ok := valueAt(tree, at[:i])
			if _, section := above.(map[string]any); ok && above != nil && !section {
				return nil, &EditError{e.Path, "stands in no section"}
			}
			continue
		}
		v, _ := valueAt(tree, at[:i])
		list, ok := v.([]any)
		if !ok {
			return nil, &EditError{e.Path, "there is no such list"}
		}
		if s.name != "" {
			n := slices.IndexFunc(list, func(item any) bool {
				fields, ok := item.(map[string]any)
				return ok && fields["name"] == s.name
			})
			if n < 0 {
				return nil, &EditError{e.Path, "nothing there is named " + show(s.name)}
			}
			at[i] = step{index: n}
		} else if s.index >= len(list) {
			return nil, &EditError{e.Path, fmt.Sprintf("the list has %d entries, counted from 0", len(list))}
		}
	}
	v, there := valueAt(tree, at)
	last := at[len(at)-1]
	switch e.Op {
	case "remove":
		if !there {
			return nil, &EditError{e.Path, "is not set in the file"}
		}
	case "add":
		if _, list := v.([]any); v != nil && !list {
			return nil, &EditError{e.Path, "is not a list"}
		}
	case "move":
		above, _ := valueAt(tree, at[:len(at)-1])
		list, ok := above.([]any)
		if last.field != "" || !ok {
			return nil, &EditError{e.Path, "is no entry of a list"}
		}
		if e.To < 0 || e.To >= len(list) {
			return nil, &EditError{e.Path, fmt.Sprintf("cannot go to place %d of %d, counted from 0", e.To, len(list))}
		}
	}
	return at, nil
}

// change makes the edit in the tree.
func change(tree map[string]any, at []step, e Edit, value any, remove bool) map[string]any {
	if tree == nil {
		tree = map[string]any{}
	}
	var in func(v any, at []step) any
	in = func(v any, at []step) any {
		if len(at) == 0 {
			switch {
			case e.Op == "add":
				list, _ := v.([]any)
				return append(list, plain(value))
			default:
				return plain(value)
			}
		}
		s := at[0]
		if s.field != "" {
			fields, ok := v.(map[string]any)
			if !ok {
				fields = map[string]any{}
			}
			if len(at) == 1 && remove {
				delete(fields, s.field)
				return fields
			}
			fields[s.field] = in(fields[s.field], at[1:])
			return fields
		}
		list, _ := v.([]any)
		switch {
		case len(at) == 1 && e.Op == "move":
			item := list[s.index]
			list = slices.Insert(slices.Delete(list, s.index, s.index+1), e.To, item)
		case len(at) == 1 && remove:
			list = slices.Delete(list, s.index, s.index+1)
		default:
			list[s.index] = in(list[s.index], at[1:])
		}
		return list
	}
	return in(tree, at).(map[string]any)
}

func deepCopy(v map[string]any) map[string]any {
	var of func(v any) any
	of = func(v any) any {
		switch in := v.(type) {
		case map[string]any:
			out := make(map[string]any, len(in))
			for k, x := range in {
				out[k] = of(x)
			}
			return out
		case []any:
			out := make([]any, len(in))
			for i, x := range in {
				out[i] = of(x)
			}
			return out
		}
		return v
	}
	return of(v).(map[string]any)
}

// says reports whether the text holds want. Sections without anything are the same as none.
func says(name string, data []byte, want map[string]any) bool {
	rep := newReport(name)
	got := readYAML(data, rep)
	return len(rep.found) == 0 && reflect.DeepEqual(trimmed(got), trimmed(want))
}

func trimmed(v any) any {
	switch in := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range in {
			if x = trimmed(x); x != nil {
				out[k] = x
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, len(in))
		for i, x := range in {
			out[i] = trimmed(x)
		}
		return out
	}
	return v
}

// rebuilt is a tree of texts as encode would give it. All texts are written as such, which reads the same.
func rebuilt(v any) any {
	switch in := v.(type) {
	case map[string]any:
		var out section
		for _, k := range slices.SortedFunc(maps.Keys(in), byHabit) {
			if in[k] != nil {
				out = append(out, struct {
					name  string
					value any
				}{k, rebuilt(in[k])})
			}
		}
		return out
	case []any:
		out := make([]any, len(in))
		for i, x := range in {
			out[i] = rebuilt(x)
		}
		return out
	}
	return v
}

// byHabit puts first what people write first.
func byHabit(a, b string) int {
	habit := []string{"name", "kind", "url", "key", "provider", "model"}
	x, y := slices.Index(habit, a), slices.Index(habit, b)
	switch {
	case x >= 0 && y >= 0:
		return x - y
	case x >= 0:
		return -1
	case y >= 0:
		return 1
	}
	return strings.Compare(a, b)
}

// Value is what a person types for a setting, as Apply wants it: a text, a number, or a list or section in brackets as in the file.
func Value(text string) json.RawMessage {
	rep := newReport("")
	if tree := readYAML([]byte("value: "+text+"\n"), rep); len(rep.found) == 0 && len(tree) == 1 {
		if _, ok := tree["value"].(string); !ok && tree["value"] != nil {
			if b, err := json.Marshal(rebuilt(tree["value"])); err == nil {
				return b
			}
		}
	}
	b, err := json.Marshal(text)
	if err != nil {
		return nil // cannot happen
	}
	return b
}
