package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestALogFileThatIsFullMakesRoom(t *testing.T) {
	for _, keep := range []int{0, 1, 3} {
		path := filepath.Join(t.TempDir(), "corral.log")
		if err := os.WriteFile(path, []byte("of an earlier start\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var instead bytes.Buffer
		l, err := openLogFile(path, 100, keep, &instead)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			line := fmt.Sprintf("line %2d %s\n", i, strings.Repeat("x", 21)) // 30 bytes: three to a file
			if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		// The first file has the earlier line and two of these; then come three to a file.
		files, err := filepath.Glob(path + "*")
		if err != nil || len(files) != keep+1 {
			t.Errorf("keep %d: %q %v", keep, files, err)
		}
		next := 20
		for i := range keep + 1 {
			name := path
			if i > 0 {
				name += fmt.Sprint(".", i)
			}
			lines := strings.Split(strings.TrimSuffix(readAll(t, name), "\n"), "\n")
			next -= len(lines)
			for j, line := range lines {
				if !strings.HasPrefix(line, fmt.Sprintf("line %2d x", next+j)) || len(line) != 29 {
					t.Errorf("keep %d, %s: line %d is %q", keep, filepath.Base(name), j, line)
				}
			}
		}
		if instead.Len() > 0 {
			t.Error(instead.String())
		}
	}
}

func TestALineThatIsLargerThanAFileHasOneOfItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.log")
	l, err := openLogFile(path, 10, 2, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, line := range []string{"a\n", strings.Repeat("b", 50) + "\n", "c\n"} {
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(readAll(t, path+".1")); got != 51 || readAll(t, path) != "c\n" || readAll(t, path+".2") != "a\n" {
		t.Error(got)
	}
}

func TestALogFileThatCannotBeWrittenGoesElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "there")
	if _, err := openLogFile(filepath.Join(dir, "corral.log"), 100, 1, os.Stderr); err == nil || !strings.Contains(err.Error(), "telemetry.file") {
		t.Error(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "corral.log")
	// A folder with something in it stands where the full file has to go.
	if err := os.MkdirAll(path+".1/full", 0o700); err != nil {
		t.Fatal(err)
	}
	var instead bytes.Buffer
	l, err := openLogFile(path, 10, 1, &instead)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(line string) {
		t.Helper()
		if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	write("12345678\n")
	write("grows on\n")
	write("and on\n")
	if got := readAll(t, path); got != "12345678\ngrows on\nand on\n" {
		t.Errorf("%q", got)
	}
	if got := instead.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "grows on") {
		t.Errorf("%q", got)
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	write("anew\n")
	if got := readAll(t, path); got != "anew\n" {
		t.Errorf("%q", got)
	}

	// The file is lost under it.
	instead.Reset()
	l.f.Close()
	write("one\n")
	write("two\n")
	if got := instead.String(); strings.Count(got, "cannot be written") != 1 || !strings.HasSuffix(got, "one\ntwo\n") {
		t.Errorf("%q", got)
	}
}
