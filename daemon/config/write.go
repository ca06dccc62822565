package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrChanged says that the file is no longer the one that an edit was made for.
var ErrChanged = errors.New("the file was changed meanwhile; look at it again, and make the change anew")

// ErrNoPath says that there is no place for a config file.
var ErrNoPath = errors.New("there is no place for a config file: start Corral with --config")

// NoRevision is that of a file that is not there.
const NoRevision = "none"

// Revision names the content of a file; nil: there is none.
func Revision(data []byte) string {
	if data == nil {
		return NoRevision
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:12])
}

// Text is the file as it stands, good or not; nil: there is none.
func (s Source) Text() ([]byte, error) {
	data, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if data == nil && err == nil && s.Path != "" {
		if _, gone := os.Stat(s.Path); gone == nil {
			data = []byte{}
		}
	}
	return data, err
}

// Check is Load for a text that is not in the file yet.
func (s Source) Check(data []byte) (Config, []Problem, error) { return s.parse(data) }

// commandLine is what Shadowed says of a field that a flag sets.
const commandLine = "the command line"

// Shadowed are the fields that the environment or the command line sets, with what sets each: a change of the file has no effect on
// them.
func (s Source) Shadowed() map[string]string {
	rep := newReport(s.Path)
	s.environment(rep)
	out := map[string]string{}
	for path := range s.Flags {
		out[path] = commandLine
	}
	for path, at := range rep.places {
		if _, ok := out[path]; !ok {
			out[path] = at.file
		}
	}
	return out
}

// Held says of the fields that differ between two texts of the file which have no effect, each as a sentence.
func (l *Live) Held(was, next []byte) (out []string) {
	a, _, err := Parse("", was)
	b, _, errNext := Parse("", next)
	if err != nil || errNext != nil {
		return nil // what the file lacks comes from a variable, and nobody can say what changes without it
	}
	changes, _ := Changes(a, b)
	shadowed := l.Shadowed()
	for _, c := range changes {
		switch by := shadowed[c.Field]; by {
		case "":
		case commandLine:
			out = append(out, c.Field+" is set by a flag of the running Corral, which holds until it is started without.")
		default:
			out = append(out, c.Field+" is set by "+by+" of the running Corral, which holds until it is started without.")
		}
	}
	return out
}

// Text is that of its source.
func (l *Live) Text() ([]byte, error) { return l.source.Text() }

// Shadowed is that of its source.
func (l *Live) Shadowed() map[string]string { return l.source.Shadowed() }

// Check says what a text would be if it stood in the file. The error is an *Errors. It asks no subscriber: Write does.
func (l *Live) Check(data []byte) (Config, []Problem, error) {
	if isBlank(data) && !l.wasBlank() {
		return Config{}, nil, l.leavesNothing()
	}
	c, warnings, err := l.source.parse(data)
	if err == nil {
		err = l.stillSafe(c)
	}
	if err != nil {
		return Config{}, nil, err
	}
	return c, warnings, nil
}

// Write puts data into the file and takes it over, if the file still has the revision. Everybody verifies it before it is on disk, so
// what is refused never stands there. What stood there before is kept beside it, with .bak after its name. It returns the names of
// the fields that changed. The error is ErrChanged, ErrNoPath, an *Errors, or says what could not be done; then nothing has changed. That
// the file may not outlast a power cut is one of the Warnings.
func (l *Live) Write(ctx context.Context, revision string, data []byte) ([]string, error) {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.source.Path == "" {
		return nil, ErrNoPath
	}
	was, err := l.source.Text()
	if err != nil {
		return nil, err
	}
	if Revision(was) != revision {
		return nil, ErrChanged
	}
	if isBlank(was) && !l.blank {
		return nil, l.lost(was)
	}
	if isBlank(data) && !l.blank {
		return nil, l.leavesNothing()
	}
	commit, err := l.verify(data)
	if err != nil {
		return nil, err
	}
	unsynced, err := replace(l.source.Path, data, was, l.sync)
	if err != nil {
		return nil, err
	}
	l.seen = data // the watcher sees nothing new
	changed := commit()
	if unsynced != nil {
		warnings := append(slices.Clone(l.Warnings()), Problem{File: l.source.Path, Message: "is written, and may be the old one again after a power cut: " + unsynced.Error()})
		l.warnings.Store(&warnings)
	}
	return changed, nil
}

// Write is Live.Write where no Corral runs.
func (s Source) Write(revision string, data []byte) error {
	if s.Path == "" {
		return ErrNoPath
	}
	was, err := s.Text()
	if err != nil {
		return err
	}
	if Revision(was) != revision {
		return ErrChanged
	}
	if _, _, err := s.parse(data); err != nil {
		return err
	}
	_, err = replace(s.Path, data, was, syncDir)
	return err
}

// Kept is where the text before the last written one is kept.
func Kept(path string) string { return path + ".bak" }

// replace exchanges the file's content in one step: after a power cut it is the old or the new one, whole. A link stays one. Once the new
// one is in place nothing is an error any more: that its folder cannot be synced is unsynced.
func replace(path string, data, was []byte, sync func(dir string) error) (unsynced, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if target, err := os.Readlink(path); err == nil {
		return nil, fmt.Errorf("write config: %s is a link to %s, which is not there", path, target)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	sweep(path)
	if was != nil {
		if err := exchange(path, Kept(path), was); err != nil {
			return nil, fmt.Errorf("keep the old config: %w", err)
		}
	}
	if err := exchange(path, path, data); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	return sync(dir), nil // of both names
}

// exchange puts data at to, with the mode and owner of the file like.
func exchange(like, to string, data []byte) (err error) {
	mode := fs.FileMode(0o644)
	info, err := os.Stat(like)
	if err == nil {
		mode = info.Mode().Perm()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), tempName(to, "*"))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if info != nil {
		if err := sameOwner(f, info); err != nil {
			return fmt.Errorf("it belongs to somebody else, and would not any more: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

func tempName(path, part string) string { return "." + filepath.Base(path) + "." + part + ".tmp" }

// leftover is how old a file must be that a power cut left behind half written; a younger one may be somebody's work.
const leftover = time.Minute

func sweep(path string) {
	for _, name := range []string{path, Kept(path)} {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(path), tempName(name, "*")))
		for _, f := range found {
			if info, err := os.Lstat(f); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftover {
				os.Remove(f)
			}
		}
	}
}

// Writable says why the file at path cannot be written; nil: it can.
func Writable(path string) error {
	if path == "" {
		return ErrNoPath
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir := filepath.Dir(path)
	for {
		if info, err := os.Stat(dir); err == nil {
			if !info.IsDir() {
				return fmt.Errorf("%s is not a folder", dir)
			}
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	if err := mayWrite(dir); err != nil {
		return fmt.Errorf("the folder %s cannot be written: %w", dir, err)
	}
	return nil
}

var (
	keyLike = regexp.MustCompile(`\b(sk[-_]|AIza|gsk_|xai-|pplx-|ghp_|github_pat_|hf_)[A-Za-z0-9_-]{16,}`)
	// named is what stands after a name that says it is a key, in files too that are no config.
	named    = regexp.MustCompile(`(?i)((?:key|secret|passw(?:or)?d|token|bearer|authorization)["']?[ \t]*[:=][ \t]*(?:bearer[ \t]+)?["']?)([A-Za-z0-9][A-Za-z0-9_+/=.~-]{11,})`)
	userinfo = regexp.MustCompile(`(://)[^/\s"'@]+@`)
)

// notShown stands for a key in a text that is shown. As the value of a key it is refused, so it cannot take the key's place.
const notShown = "(not shown)"

// Shown is the text of a config file as it may be shown. A key that somebody wrote into it, which is refused as a config, is not; hidden
// says so.
func Shown(data []byte) (text string, hidden bool) {
	rep := newReport("")
	tree := readYAML(data, rep)
	text = string(data)
	for _, secret := range secretsIn(tree, reflect.TypeFor[Config]()) {
		if Secret(secret).problem() != "" {
			text = strings.ReplaceAll(text, secret, notShown)
		}
	}
	text = named.ReplaceAllString(text, "${1}"+notShown)
	text = keyLike.ReplaceAllString(text, notShown)
	text = userinfo.ReplaceAllString(text, "${1}"+notShown+"@")
	return text, text != string(data)
}

// secretsIn are the texts that stand where the config has a Secret.
func secretsIn(v any, t reflect.Type) (found []string) {
	switch in := v.(type) {
	case string:
		if t == reflect.TypeFor[Secret]() && in != "" {
			found = append(found, in)
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for _, x := range in {
				found = append(found, secretsIn(x, t.Elem())...)
			}
		}
	case map[string]any:
		if t.Kind() == reflect.Struct && isSection(t) {
			for i, name := range fieldNames(t) {
				found = append(found, secretsIn(in[name], t.Field(i).Type)...)
			}
		}
	}
	return found
}

// Change is one field that two configs set otherwise.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty" doc:"empty: it was not there"`
	To    string `json:"to,omitempty" doc:"empty: it is not there any more"`
}

// Changes are all fields that differ, in the order of the config.
func Changes(old, new Config) ([]Change, error) {
	var order []string
	flat := func(c Config) (map[string]string, error) {
		tree, err := encode(reflect.ValueOf(c))
		if err != nil {
			return nil, err
		}
		out := map[string]string{}
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch in := v.(type) {
			case section:
				for _, f := range in {
					walk(join(path, f.name), f.value)
				}
			case []any:
				if allScalars(in) {
					out[path] = flowText(in)
					order = append(order, path)
					return
				}
				for i, x := range in {
					at := entry(path, i)
					if fields, ok := x.(section); ok && len(fields) > 0 && fields[0].name == "name" {
						at = path + "[" + fields[0].value.(string) + "]"
					}
					walk(at, x)
				}
			default:
				out[path] = strings.TrimSpace(fmt.Sprint(v))
				order = append(order, path)
			}
		}
		walk("", tree)
		return out, nil
	}
	a, err := flat(old)
	if err != nil {
		return nil, err
	}
	b, err := flat(new)
	if err != nil {
		return nil, err
	}
	var out []Change
	seen := map[string]bool{}
	for _, path := range order {
		if !seen[path] && a[path] != b[path] {
			out = append(out, Change{path, a[path], b[path]})
		}
		seen[path] = true
	}
	return out, nil
}
