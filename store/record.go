package store

import "strings"

// recorder notes which keys change while a compaction copies the file, so that the copy can catch up with them at the end. Only
// keys are kept: their values are read when they are needed.
type recorder struct {
	buckets map[string]*changes // by path, joined with NUL
	dropped [][]string          // in order
}

type changes struct {
	path    []string
	keys    map[string]struct{}
	touched bool // created, perhaps without a key
}

func newRecorder() *recorder { return &recorder{buckets: map[string]*changes{}} }

func joined(path []string) string { return strings.Join(path, "\x00") }

func (r *recorder) bucket(path []string) *changes {
	name := joined(path)
	c := r.buckets[name]
	if c == nil {
		c = &changes{path: append([]string(nil), path...), keys: map[string]struct{}{}}
		r.buckets[name] = c
	}
	return c
}

// drop forgets what was noted below the path: the copy drops it too, and then takes what was written anew.
func (r *recorder) drop(path []string) {
	name := joined(path)
	for other := range r.buckets {
		if other == name || strings.HasPrefix(other, name+"\x00") {
			delete(r.buckets, other)
		}
	}
	r.dropped = append(r.dropped, append([]string(nil), path...))
}

func (c *changes) note(key []byte) { c.keys[string(key)] = struct{}{} }
