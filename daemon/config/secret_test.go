package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestAKeyIsReadFromWhereItIsKept(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // past the umask
			t.Fatal(err)
		}
		return Secret("file:" + path)
	}
	environment := lookup(map[string]string{"GOOD": " sk-1\n", "EMPTY": "", "BLANK": " ", "TWO": "a\nX-Other: b"})
	errKept := errors.New("no bus")
	kept := func(name string) (string, error) {
		if name == "openai" {
			return "sk-2", nil
		}
		return "", errKept
	}
	for _, test := range []struct {
		secret Secret
		key    string
		err    string
		is     error
	}{
		{secret: "", key: ""},
		{secret: "env:GOOD", key: "sk-1"},
		{secret: "env:EMPTY", err: "env:EMPTY: no key is kept there; set the variable for Corral", is: ErrNoSecret},
		{secret: "env:NONE", err: "set the variable", is: ErrNoSecret},
		{secret: "env:BLANK", err: "it is empty", is: ErrNoSecret},
		{secret: "env:TWO", err: "more than one line"},
		{secret: "keyring:openai", key: "sk-2"},
		{secret: "keyring:broken", err: "keyring:broken: no bus", is: errKept},
		{secret: file("good", "sk-3\r\n", 0o600), key: "sk-3"},
		{secret: file("group", "sk-3", 0o640), key: "sk-3"},
		{secret: file("world", "sk-4", 0o644), err: "everyone on this machine can read it; chmod 600 " + filepath.Join(dir, "world")},
		{secret: file("blank", "\n", 0o600), err: "it is empty", is: ErrNoSecret},
		{secret: file("large", strings.Repeat("k", maxSecret+1), 0o600), err: "too large"},
		{secret: Secret("file:" + dir), err: "is not a file"},
		{secret: Secret("file:" + filepath.Join(dir, "none")), err: "no key is kept there", is: ErrNoSecret},
		{secret: "sk-live-123", err: "must say where the key is kept"},
	} {
		if runtime.GOOS == "windows" && strings.HasSuffix(string(test.secret), "world") {
			continue
		}
		key, err := test.secret.resolve(environment, kept)
		if key != test.key || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v", string(test.secret), key, err)
		}
		if test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v is not %v", string(test.secret), err, test.is)
		}
	}
}

func TestAKeyIsNeverShown(t *testing.T) {
	const key = "sk-live-0123456789"
	c := Default()
	c.Providers[0].Key = key
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, &c.Providers[0])
		fmt.Fprintf(&out, verb, c.Providers[0].Key)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "key", c.Providers[0].Key)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "key", c.Providers[0].Key)
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	text, err := Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	fmt.Fprint(&out, c.Validate())
	_, err = c.Providers[0].Key.Resolve(nil)
	fmt.Fprint(&out, err)
	for _, file := range []string{
		"providers: [ { name: a, kind: openai, key: %s } ]",
		"providers: [ { name: a, kind: openai, key: 'env:%s' } ]",
		"providers: [ { name: a, kind: openai, key: 'keyring:%s' } ]",
		"providers: [ { name: a, kind: openai, key: [%s] } ]",
		"providers: [ { name: a, kind: openai, key: { a: %s } } ]",
		"providers: [ { name: a, kind: openai, api_key: %s } ]",
		"providers: [ %s ]",
		"providers: %s",
		"providers: [ { name: a, kind: openai, url: 'https://u:%s@host/v1' } ]",
		"providers: [ { name: a, kind: openai, url: 'https://host/v1?key=%s' } ]",
		"providers: [ { name: a, kind: openai, url: 'host/v1?key=%s' } ]",
		"origins: [ 'https://u:%s@host' ]",
		"providers:\n  - key: |%s\n",
		"providers:\n  - key: @%s\n",
		"providers:\n  - key: \"%s\n",
		"providers:\n  - key:\n    %s: b: c\n",
		"providers:\n  - key: a\n%s\n",
		"%%YAML %s\n---\na: b",
	} {
		_, _, err := Parse("corral.yaml", fmt.Appendf(nil, file, key))
		if err == nil {
			t.Errorf("%s is taken", file)
		}
		fmt.Fprintln(&out, err)
	}
	if strings.Contains(out.String(), "sk-live") || strings.Contains(out.String(), fmt.Sprintf("%x", key)) {
		t.Errorf("shown in\n%s", out.String())
	}
}
