package config

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAWrittenConfigIsInForceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	const first, second = "# one\nshutdown: 5s\n", "# two\nshutdown: 7s\n"
	write(t, path, first)
	w := watch(t, path, true)
	changed, err := w.Write(t.Context(), Revision([]byte(first)), []byte(second))
	if err != nil || !slices.Equal(changed, []string{"shutdown"}) || w.Current().Shutdown != Duration(7*time.Second) {
		t.Fatalf("%v %v %v", changed, err, w.Current().Shutdown)
	}
	if read(t, path) != second || read(t, Kept(path)) != first {
		t.Errorf("the file: %q, kept: %q", read(t, path), read(t, Kept(path)))
	}
	if runtime.GOOS != "windows" {
		for _, f := range []string{path, Kept(path)} {
			if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", f, info.Mode(), err)
			}
		}
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	// The watcher finds nothing new in it, and somebody's own change is seen after it all the same.
	write(t, path, "shutdown: 9s\n")
	r := w.next("a change by hand", func(r result) bool { return r.err == nil }) // it is empty for a moment
	if w.Current().Shutdown != Duration(9*time.Second) {
		t.Errorf("%+v", r)
	}
}

func TestAWriteThatIsRefusedChangesNothing(t *testing.T) {
	const text = "shutdown: 5s\n"
	for _, c := range []struct {
		name, revision, data, want string
		refuse                     bool
	}{
		{"changed meanwhile", Revision([]byte("shutdown: 4s\n")), "shutdown: 6s\n", ErrChanged.Error(), false},
		{"no file was seen", NoRevision, "shutdown: 6s\n", ErrChanged.Error(), false},
		{"not valid", Revision([]byte(text)), "shutdown: soon\n", "corral.yaml:1:11: shutdown", false},
		{"empty", Revision([]byte(text)), " \n", "would leave the file empty", false},
		{"somebody cannot take it over", Revision([]byte(text)), "shutdown: 6s\n", "not today", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "corral.yaml")
			write(t, path, text)
			l, err := Open(Source{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			committed := 0
			l.Subscribe(nil, func(Config) { committed++ })
			l.Subscribe(func(_, _ Config) error {
				if c.refuse {
					return errors.New("not today")
				}
				return nil
			}, nil)
			if _, err := l.Write(t.Context(), c.revision, []byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if read(t, path) != text || committed != 0 || l.Current().Shutdown != Duration(5*time.Second) {
				t.Errorf("%q, %d committed, %v", read(t, path), committed, l.Current().Shutdown)
			}
			if _, err := os.Stat(Kept(path)); err == nil {
				t.Error("an old one was kept, and nothing was written")
			}
		})
	}
}

// TestAFolderThatCannotBeSynced: the new text is in place by then, so it is in force too, and that it may not last is a warning.
func TestAFolderThatCannotBeSynced(t *testing.T) {
	const first, second, third = "shutdown: 5s\n", "shutdown: 7s\n", "shutdown: 8s\n"
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, first)
	l, err := Open(Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	committed := 0
	l.Subscribe(nil, func(Config) { committed++ })
	l.sync = func(string) error { return errors.New("no room in the journal") }
	changed, err := l.Write(t.Context(), Revision([]byte(first)), []byte(second))
	if err != nil || !slices.Equal(changed, []string{"shutdown"}) || read(t, path) != second || read(t, Kept(path)) != first {
		t.Errorf("%v %v, %q, kept %q", changed, err, read(t, path), read(t, Kept(path)))
	}
	if committed != 1 || l.Current().Shutdown != Duration(7*time.Second) {
		t.Errorf("%d committed, %v in force", committed, l.Current().Shutdown)
	}
	if got := fmt.Sprint(l.Warnings()); !strings.Contains(got, "after a power cut: no room in the journal") {
		t.Errorf("warnings: %s", got)
	}
	l.sync = func(string) error { return nil }
	if _, err := l.Write(t.Context(), Revision([]byte(second)), []byte(third)); err != nil || len(l.Warnings()) != 0 {
		t.Errorf("%v %v", err, l.Warnings())
	}
}

func TestTheFirstWriteMakesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "corral.yaml")
	l, err := Open(Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := l.Text(); err != nil || text != nil {
		t.Errorf("%q %v", text, err)
	}
	if _, err := l.Write(t.Context(), NoRevision, []byte("shutdown: 6s\n")); err != nil || read(t, path) != "shutdown: 6s\n" {
		t.Errorf("%v", err)
	}
	if _, err := l.Write(t.Context(), NoRevision, []byte("shutdown: 7s\n")); !errors.Is(err, ErrChanged) {
		t.Errorf("there is one now: %v", err)
	}
	if _, err := (&Live{}).Write(t.Context(), NoRevision, nil); !errors.Is(err, ErrNoPath) {
		t.Errorf("nowhere: %v", err)
	}
}

func TestALinkStaysALink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("links need rights there")
		return
	}
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles", "corral.yaml"), filepath.Join(dir, "corral.yaml")
	write(t, real, "shutdown: 5s\n")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := (Source{Path: link}).Write(Revision([]byte("shutdown: 5s\n")), []byte("shutdown: 6s\n")); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); err != nil || target != real || read(t, real) != "shutdown: 6s\n" {
		t.Errorf("%s %v %s", target, err, read(t, real))
	}
}

// TestPowerCutWhileWriting ends a process that writes one config after the other, wherever it is: the file is always one of them,
// and what is left half written goes with a later write.
func TestPowerCutWhileWriting(t *testing.T) {
	text := func(n int) string {
		return strings.Repeat("# a line that makes it longer\n", 2000) + fmt.Sprintf("shutdown: %ds\n", n+1)
	}
	if path := os.Getenv("CORRAL_TEST_WRITER"); path != "" {
		s := Source{Path: path}
		for n := 0; ; n++ {
			was, err := s.Text()
			if err == nil {
				err = s.Write(Revision(was), []byte(text(n)))
			}
			fmt.Println(n, err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "corral.yaml")
	for range 8 {
		child := exec.Command(os.Args[0], "-test.run=^TestPowerCutWhileWriting$")
		child.Env = append(os.Environ(), "CORRAL_TEST_WRITER="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + rand.IntN(5) {
			lines.Scan()
			if s := lines.Text(); !strings.HasSuffix(s, "<nil>") {
				t.Errorf("the child says %q", s)
			}
		}
		child.Process.Kill()
		child.Wait()
		if c, _, err := (Source{Path: path, Explicit: true}).Load(); err != nil || !strings.HasPrefix(read(t, path), "# a line") || c.Shutdown == 0 {
			t.Fatalf("after the cut: %v", err)
		}
	}
	half := filepath.Join(dir, tempName(path, "123"))
	write(t, half, "shut")
	if err := os.Chtimes(half, time.Now(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := (Source{Path: path}).Write(Revision([]byte(read(t, path))), []byte("shutdown: 1s\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("what was half written is still there")
	}
}

func TestAKeyInTheTextIsNotShown(t *testing.T) {
	for _, text := range []string{
		"providers: [ { name: a, kind: openai, key: \"hunter-2-hunter-2\" } ]\n",
		"providers:\n  - name: a\n    key: hunter-2-hunter-2 # mine\n",
		"providers: [ broken, key: sk-hunter-2-hunter-2-abcdef\n",
		"providers: [ { name: a, kind: openai, url: \"https://me:hunter-2@a.example\" } ]\n",
		"# sk-hunter-2-hunter-2-abcdef\n",
		"providers:\n  - { name: a, kind: openai, api_key: hunter0123456789 }\n", // a name that is none of the config's
		"providers:\n  - { name: a, kind: openai, key: hunter0123456789\nbreaker: { failures: 3\n",
		"telemetry: { otlp_headers: [ { name: Authorization, value: x } ] } # Authorization: Bearer hunter0123456789\n",
	} {
		got, hidden := Shown([]byte(text))
		if strings.Contains(got, "hunter") || !hidden {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	for _, text := range []string{Sample(), "providers: [ { name: a, kind: openai, key: keyring:openai } ]\n", "timeouts: { first_token: 2m30s }\nproviders: [ { key: env:A_LONG_NAME_OF_A_VARIABLE } ]\n"} {
		if got, hidden := Shown([]byte(text)); got != text || hidden {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"a\n", "a\n", ""},
		{"", "a\n", "@@ -0,0 +1,1 @@\n+a\n"},
		{"a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\nfive\n6\n", "@@ -2,5 +2,5 @@\n 2\n 3\n 4\n-5\n+five\n 6\n"},
		{"a\nb", "a\nc\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "one\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\ntwelve\n",
			"@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n 11\n-12\n+twelve\n"},
	} {
		got := Diff("f", c.old, c.new)
		if _, rest, _ := strings.Cut(got, "+++ f\n"); rest != c.want {
			t.Errorf("%q to %q:\n%s", c.old, c.new, got)
		}
	}
}

func TestChanges(t *testing.T) {
	old, new := Default(), Default()
	new.Breaker.Failures, new.Hosts = 7, []string{"a.lan"}
	new.Providers = append(slices.Clone(old.Providers), Provider{Name: "b", Kind: KindOpenAI, URL: "https://b.example/v1"})
	got, err := Changes(old, new)
	want := []Change{{"breaker.failures", "5", "7"}, {"hosts", "", "[a.lan]"}, {"providers[b].name", "", "b"}, {"providers[b].kind", "", "openai"}, {"providers[b].url", "", "https://b.example/v1"}}
	slices.SortFunc(got, func(a, b Change) int { return strings.Compare(a.Field[:1], b.Field[:1]) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
}
