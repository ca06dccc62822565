package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// CheckCommand is the hidden subcommand under which a program offers CheckMain to itself.
const CheckCommand = "__check-store"

// Exit codes of CheckMain.
const (
	checkSound   = 0
	checkDamaged = 3
	checkUnknown = 4 // in use, or not readable: nothing was learned
)

// checkPerGiB bounds a check: a damaged page may lead in circles, and a start should not wait for ever.
const (
	checkBase   = 30 * time.Second
	checkPerGiB = 60 * time.Second
)

// DamageError says why a file cannot be used.
type DamageError struct {
	Path   string
	Reason string
}

func (e *DamageError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.Reason) }

// Damage tells of a file that was set aside by Open, so that the daemon can say so.
type Damage struct {
	Reason string
	Aside  string // where the damaged file is now
}

func (d *Damage) String() string {
	return fmt.Sprintf("the database was damaged (%s); it was set aside as %s and a new one begun; bring back what a backup holds with: corral restore", d.Reason, d.Aside)
}

// Damage is nil unless Open had to set a damaged file aside.
func (d *DB) Damage() *Damage { return d.damage }

// inspect asks the check, and sets a damaged file aside.
func (d *DB) inspect(thorough bool) error {
	info, err := os.Stat(d.Path())
	if errors.Is(err, os.ErrNotExist) || (err == nil && info.Size() == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	err = d.opts.Check(d.Path(), thorough)
	var damaged *DamageError
	if !errors.As(err, &damaged) {
		return err
	}
	aside := Aside(d.Path(), "damaged")
	if err := os.Rename(d.Path(), aside); err != nil {
		return fmt.Errorf("%w; and it cannot be set aside: %w", damaged, err)
	}
	d.damage = &Damage{Reason: damaged.Reason, Aside: aside}
	return nil
}

// Aside is a name beside path for a file that is set aside. It has the time, so that nothing which was set aside before is lost.
func Aside(path, why string) string {
	return path + "." + why + "-" + time.Now().UTC().Format("20060102T150405.000000000Z")
}

// CheckInChild returns a check for Options that runs exe (this very program) with the given arguments and the path. bbolt panics on
// a damaged page, and reading a mapped file that was cut short kills the process with SIGBUS: that should be a child's fate.
func CheckInChild(exe string, args ...string) func(path string, thorough bool) error {
	return func(path string, thorough bool) error {
		limit := checkBase
		if info, err := os.Stat(path); err == nil {
			limit += time.Duration(info.Size()>>20) * checkPerGiB / 1024
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		depth := "quick"
		if thorough {
			depth = "thorough"
		}
		cmd := exec.CommandContext(ctx, exe, append(args, depth, path)...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		err := cmd.Run()
		if err == nil {
			return nil
		}
		var exit *exec.ExitError
		if ctx.Err() != nil || !errors.As(err, &exit) || !speaksOfDamage(exit.ProcessState) {
			// It could not be started, took too long on a slow disk, was ended as this process is, or could not read the file, and
			// opening that says why better than a child's output does: nothing was learned, and a file that may be sound stays.
			return nil
		}
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		if exit.ExitCode() != checkDamaged {
			line = strings.TrimSuffix("the process that read it died: "+line, ": ")
		}
		return &DamageError{Path: path, Reason: line}
	}
}

// died is the exit code of a Go program that a fault has ended.
const died = 2

// speaksOfDamage tells a check that found damage, or died of it, from one that was ended from outside.
func speaksOfDamage(p *os.ProcessState) bool {
	return p.ExitCode() == checkDamaged || p.ExitCode() == died || endedByFault(p)
}

// CheckMain is what the program runs for its hidden subcommand: args are the depth and the path. It returns the exit code.
func CheckMain(args []string, out io.Writer) (code int) {
	if len(args) != 2 {
		_, _ = fmt.Fprintln(out, "usage: "+CheckCommand+" quick|thorough PATH")
		return checkUnknown
	}
	debug.SetPanicOnFault(true)
	defer func() {
		if r := recover(); r != nil {
			_, _ = fmt.Fprintln(out, "a page of it is not what was written:", r)
			code = checkDamaged
		}
	}()
	err := checkFile(args[1], args[0] == "thorough")
	switch {
	case err == nil:
		return checkSound
	case errors.Is(err, berrors.ErrTimeout), errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist):
		_, _ = fmt.Fprintln(out, err)
		return checkUnknown
	default:
		_, _ = fmt.Fprintln(out, err)
		return checkDamaged
	}
}

// checkFile reads the file the way its later user will. Quick: both ends, the list of free pages and the top of every bucket.
// Thorough: every page.
func checkFile(path string, thorough bool) error {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: lockWait / 3, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer func() { _ = bolt.Close() }()
	return bolt.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("it was cut short: %d bytes of %d are there", info.Size(), tx.Size())
		}
		if thorough {
			// A file's keys may be fine where its pages are not, and the other way round: both are looked at.
			for err := range tx.Check() {
				return err
			}
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return touchAll(b) })
		}
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return touchEnds(b) })
	})
}

func touchAll(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return touchAll(b.Bucket(k))
		}
		return nil
	})
}

// touchEnds looks at the first and last key. A bucket here holds buckets or values, never both, so the first key says which.
func touchEnds(b *bbolt.Bucket) error {
	c := b.Cursor()
	c.Last()
	if k, v := c.First(); k == nil || v != nil {
		return nil
	}
	return b.ForEachBucket(func(k []byte) error { return touchEnds(b.Bucket(k)) })
}
