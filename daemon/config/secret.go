package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
)

// Secret names where a key is kept: keyring:NAME, env:NAME or file:PATH. It is never the key itself: a key written in its
// place is refused, and no message, log line or output repeats it.
type Secret string

// ErrNoSecret says that there is nothing in the variable or the file.
var ErrNoSecret = errors.New("no key is kept there")

// KeyringService is the name under which all of Corral's keys stand in the keyring.
const KeyringService = "corral"

// maxSecret bounds a key file in bytes, in case the path is of something else.
const maxSecret = 64 << 10

// Resolve reads the key, without the space around it; kept reads what "corral secrets" keeps under a name (store/secrets).
// An empty Secret is an empty key. It may wait for a person to unlock the keyring. The error wraps ErrNoSecret or kept's own
// where that is the cause, and never holds the key.
func (s Secret) Resolve(kept func(name string) (string, error)) (string, error) {
	return s.resolve(os.LookupEnv, kept)
}

func (s Secret) resolve(lookup func(string) (string, bool), kept func(name string) (string, error)) (string, error) {
	if s == "" {
		return "", nil
	}
	if problem := s.problem(); problem != "" {
		return "", fmt.Errorf("key %s", problem)
	}
	where, name, _ := strings.Cut(string(s), ":")
	var key string
	var err error
	switch where {
	case "env":
		if key, _ = lookup(name); key == "" {
			return "", fmt.Errorf("%s: %w; set the variable for Corral", s, ErrNoSecret)
		}
	case "file":
		key, err = readSecret(name)
	case "keyring":
		key, err = kept(name)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", s, err)
	}
	switch key = strings.TrimSpace(key); {
	case key == "":
		return "", fmt.Errorf("%s: %w; it is empty", s, ErrNoSecret)
	case strings.ContainsFunc(key, unicode.IsControl):
		// Sent as a header, a second line would be a header of its own.
		return "", fmt.Errorf("%s: holds more than one line; keep the key alone there", s)
	}
	return key, nil
}

// Mend says what brings the key of that provider to where it should be, for a person.
func (s Secret) Mend(provider string) string {
	where, name, _ := strings.Cut(string(s), ":")
	switch where {
	case "keyring":
		return "corral secrets set " + name
	case "env":
		return "export " + name + "=... for Corral (a service: Environment= in its unit), or `corral secrets set " + provider + "` and key: keyring:" + provider
	}
	return "put the key into " + name + " and chmod 600 it"
}

func readSecret(path string) (string, error) {
	// Asked first, because opening a pipe would wait for somebody to write into it.
	if info, err := os.Stat(path); err != nil {
		return "", plainError(err)
	} else if !info.Mode().IsRegular() {
		return "", errors.New("is not a file")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", plainError(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", plainError(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 { // Windows has no such bits and makes some up
		return "", fmt.Errorf("everyone on this machine can read it; chmod 600 %s", path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", plainError(err)
	}
	if len(data) > maxSecret {
		return "", errors.New("is too large to be a key")
	}
	return string(data), nil
}

// plainError drops the path, which the Secret names already.
func plainError(err error) error {
	var at *os.PathError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ErrNoSecret
	case errors.As(err, &at):
		return at.Err
	}
	return err
}

// problem says what is wrong with where the key is kept; empty: nothing. It does not repeat the value, which may be a key.
func (s Secret) problem() string {
	where, name, _ := strings.Cut(string(s), ":")
	switch {
	case where != "keyring" && where != "env" && where != "file":
		return "must say where the key is kept, not be the key: use keyring:NAME, env:NAME or file:PATH"
	case name == "":
		return "names no place; use keyring:NAME, env:NAME or file:PATH"
	case where != "file" && looksLikeKey(name):
		return "looks like a key itself; write the name it is kept under, such as keyring:openai or env:OPENAI_API_KEY"
	case where == "env" && (strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) || r == '-' }) || name[0] <= '9'):
		return "is not the name of a variable; write for example env:OPENAI_API_KEY"
	case where == "keyring" && strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) && r != '.' }):
		return "is not a name for the keyring; use letters, digits, dots, dashes and underscores, such as keyring:openai"
	case where == "file" && !filepath.IsAbs(name):
		return "needs the whole path, such as file:/etc/corral/openai.key"
	}
	return ""
}

// looksLikeKey knows how the keys of the well-known makers start, and that names are not long rows of letters and digits.
func looksLikeKey(s string) bool {
	for _, start := range []string{"sk-", "sk_", "AIza", "gsk_", "xai-", "hf_", "pplx-", "ghp_", "github_pat_"} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	return len(s) >= 32 && strings.ContainsAny(s, "0123456789") && s != strings.ToUpper(s)
}

// String is where the key is kept. If that is not what stands in it, it may be a key and is not shown.
func (s Secret) String() string {
	if s == "" || s.problem() == "" {
		return string(s)
	}
	return "(not shown)"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
