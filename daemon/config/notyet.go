package config

import "strings"

// later is a field, or one value of it, that is read and checked but that no code obeys yet.
type later struct {
	path  string // [] stands for any entry of a list
	value string // empty: whatever is set
}

// notYet is what this version accepts without acting on it. Whoever builds such a part deletes its line.
func notYet() []later {
	return []later{
		{path: "guard"},
	}
}

// matches says whether a warning belongs to path: to the section as a whole where it stands in the file, or else to the
// field in it that the environment or the command line sets.
func (l later) matches(path string, rep *report) bool {
	if l.value != "" && rep.places[path].text != l.value {
		return false
	}
	if anyEntry(path) == l.path {
		return true
	}
	if !strings.HasPrefix(anyEntry(path), l.path+".") {
		return false
	}
	for up := parent(path); up != ""; up = parent(up) {
		if _, set := rep.places[up]; set {
			return false
		}
	}
	return true
}

// anyEntry is the path without the numbers of entries: models[].targets[].model.
func anyEntry(path string) string {
	var b strings.Builder
	inside := false
	for _, r := range path {
		if inside = inside && r != ']'; !inside {
			b.WriteRune(r)
		}
		inside = inside || r == '['
	}
	return b.String()
}
