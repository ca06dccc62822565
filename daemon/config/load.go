package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source is where a config comes from. Later layers win: the defaults, the file, the environment, the flags.
type Source struct {
	Path     string                      // of corral.yaml; empty: no file
	Explicit bool                        // somebody named the file, so it is an error when it is not there
	Lookup   func(string) (string, bool) // reads CORRAL_* variables, as os.LookupEnv does; nil: none are read
	Environ  func() []string             // all variables, as os.Environ gives them, to warn of those that set nothing; nil: nobody is warned
	Flags    map[string]string           // what the command line sets, by path: {"telemetry.log": "debug"}
}

// NewSource is the config of this process: the file that flag names or that ConfigPath finds, the process's environment,
// and what the command line sets.
func NewSource(flag string, flags map[string]string) Source {
	path, explicit := ConfigPath(flag)
	return Source{Path: path, Explicit: explicit, Lookup: os.LookupEnv, Environ: os.Environ, Flags: flags}
}

// Load reads the file at path, which must be there, and the environment. The error is an *Errors when the content is at
// fault.
func Load(path string) (Config, error) {
	c, _, err := Source{Path: path, Explicit: true, Lookup: os.LookupEnv}.Load()
	return c, err
}

// Parse reads the content of a config file, and no environment. The name is what problems call it. The warnings tell what
// is set and valid but of no effect yet, or probably not meant. The error is an *Errors.
func Parse(name string, data []byte) (Config, []Problem, error) {
	return Source{Path: name}.parse(data)
}

// Load reads all layers. Warnings are as in Parse. A file that is not there and that nobody named is an empty one. The
// error is an *Errors when the content of a layer is at fault; any other error says that the file could not be read.
func (s Source) Load() (Config, []Problem, error) {
	data, err := s.read()
	if err != nil {
		return Config{}, nil, err
	}
	return s.parse(data)
}

// read is the content of the file; nil when there is none and there need not be one.
func (s Source) read() ([]byte, error) {
	if s.Path == "" {
		return nil, nil
	}
	// Asked first, because opening a pipe would wait for somebody to write into it.
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.Explicit:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("config %s is not there; \"corral config init\" makes one: %w", s.Path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("read config: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read config: %s is not a file", s.Path)
	}
	file, err := os.Open(s.Path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1)) // one more than is allowed, so that readYAML refuses it
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return data, nil
}

func (s Source) parse(data []byte) (Config, []Problem, error) {
	rep := newReport(s.Path)
	file := readYAML(data, rep)
	if file == nil && len(rep.found) > 0 {
		return Config{}, nil, rep.err() // nothing is known of the fields, so nothing can be said of them
	}
	environment := s.environment(rep)
	flags := map[string]any{}
	for path, text := range s.Flags {
		flags[path] = listOrText(path, text)
		rep.places[path] = place{file: "command line", text: text}
	}

	defaults, err := encode(reflect.ValueOf(Default()))
	if err != nil {
		return Config{}, nil, err
	}
	layers := koanf.New(".")
	for _, layer := range []struct {
		values map[string]any
		delim  string // between the names of a path, where the layer is flat
	}{{defaults.(section).asMap(), ""}, {file, ""}, {environment, "."}, {flags, "."}} {
		if err := layers.Load(confmap.Provider(layer.values, layer.delim), nil); err != nil {
			return Config{}, nil, fmt.Errorf("merge config: %w", err)
		}
	}

	c := Default()
	decode("", layers.Raw(), reflect.ValueOf(&c).Elem(), rep)
	c.complete()
	c.check(func(path, format string, args ...any) {
		if !rep.knows(path) {
			rep.field(path, format, args...)
		}
	})
	if err := rep.err(); err != nil {
		return Config{}, nil, err
	}
	return c, append(c.warnings(rep), s.strays(layers.Raw())...), nil
}

// notFields are variables that Corral and its tests read for themselves.
var notFields = []string{"CORRAL_CONFIG", "CORRAL_DATA_DIR"}

// strays tells of CORRAL_* variables that set no field, as a misspelt one does; but for keys that the config, as it came, names with env:.
func (s Source) strays(raw map[string]any) (found []Problem) {
	if s.Environ == nil {
		return nil
	}
	paths := variables("", reflect.TypeFor[Config]())
	keys := secretsIn(raw, reflect.TypeFor[Config]())
	names := make([]string, len(paths)) // without the prefix, which would make all of them alike
	for i, path := range paths {
		names[i] = strings.TrimPrefix(variable(path), prefix)
	}
	for _, set := range s.Environ() {
		name, value, _ := strings.Cut(set, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || value == "" || strings.HasPrefix(rest, "TEST_") || slices.Contains(notFields, name) || slices.Contains(names, rest) || slices.Contains(keys, "env:"+name) {
			continue
		}
		message := "sets nothing: no field that a variable can set has this name"
		if meant := nearest(rest, names); meant != "" {
			message = "sets nothing; did you mean " + prefix + meant + "?"
		}
		found = append(found, Problem{File: strings.Trim(strconv.QuoteToASCII(name), `"`), Message: message})
	}
	return inOrder(found)
}

// environment is what CORRAL_* variables set, by path. A variable that is empty is one that is not set.
func (s Source) environment(rep *report) map[string]any {
	set := map[string]any{}
	if s.Lookup == nil {
		return set
	}
	for _, path := range variables("", reflect.TypeFor[Config]()) {
		name := variable(path)
		if text, ok := s.Lookup(name); ok && text != "" {
			set[path] = listOrText(path, text)
			rep.places[path] = place{file: name, text: text}
		}
	}
	return set
}

// prefix begins the names of variables that set fields.
const prefix = "CORRAL_"

// variable is the name of the environment variable that sets the field at path: CORRAL_TELEMETRY_LOG for telemetry.log.
func variable(path string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// variables are the paths of all fields that one text can set: every scalar, and lists of texts.
func variables(path string, t reflect.Type) []string {
	var paths []string
	for i, name := range fieldNames(t) {
		field := t.Field(i).Type
		switch {
		case isSection(field):
			paths = append(paths, variables(join(path, name), field)...)
		case field.Kind() != reflect.Slice || field.Elem().Kind() == reflect.String:
			paths = append(paths, join(path, name))
		}
	}
	return paths
}

// isSection says whether a type is made of fields and not of one text.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Share]() && t != reflect.TypeFor[LastResort]()
}

// listOrText splits the text at its commas where a list is wanted: CORRAL_HOSTS=a.lan,b.lan.
func listOrText(path, text string) any {
	t := reflect.TypeFor[Config]()
	for name := range strings.SplitSeq(path, ".") {
		i := -1
		if isSection(t) {
			for j, known := range fieldNames(t) {
				if known == name {
					i = j
				}
			}
		}
		if i < 0 {
			return text // decode tells that the field is not known
		}
		t = t.Field(i).Type
	}
	if t.Kind() != reflect.Slice {
		return text
	}
	var list []any
	for item := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(item))
	}
	return list
}
