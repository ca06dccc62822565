package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
)

// logFile is a log that begins another file when one is full: FILE becomes FILE.1, that FILE.2, and the oldest is removed.
// What cannot be written to it goes to instead.
//
// It is not lumberjack, whose goroutine outlives its Close (natefinch/lumberjack issues 56 and 205).
type logFile struct {
	path    string
	max     int64 // bytes of one file
	keep    int   // full ones
	instead io.Writer

	mu      sync.Mutex // guards what follows
	f       *os.File   // nil while there is none
	size    int64
	failing bool // it cannot be written, and instead was told
	stuck   bool // no new one can be begun, and instead was told
}

// openLogFile begins or goes on with the file.
func openLogFile(path string, max int64, keep int, instead io.Writer) (*logFile, error) {
	l := &logFile{path: path, max: max, keep: keep, instead: instead}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open the log: %w (telemetry.file says where it is; its folder must be there)", err)
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size = f, info.Size()
	// What the runtime says of a crash belongs there too: nobody sees the standard error of a program without a terminal.
	// Where that cannot be, standard error has it as ever.
	debug.SetCrashOutput(f, debug.CrashOptions{})
	return nil
}

// Write writes whole lines, into one file.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.room(int64(len(p)))
	if err == nil {
		var n int
		if n, err = l.f.Write(p); err != nil && n > 0 && l.f.Truncate(l.size) == nil {
			n = 0 // the disk had room for a part, which would stand before the next line
		}
		l.size += int64(n)
	}
	if err == nil {
		l.failing = false
		return len(p), nil
	}
	if !l.failing {
		l.failing = true
		sayf(l.instead, "corral: the log cannot be written, and goes here: %v\n", err)
	}
	return l.instead.Write(p)
}

// room sees to it that there is a file in which n more bytes have room.
func (l *logFile) room(n int64) error {
	if l.f == nil {
		return l.open()
	}
	if l.size == 0 || l.size+n <= l.max {
		return nil
	}
	err := errors.Join(l.close(), l.shift())
	if err != nil && !l.stuck {
		sayf(l.instead, "corral: no new file of the log can be begun, and it grows on: %v\n", err)
	}
	l.stuck = err != nil
	return l.open()
}

// shift moves each file to the next number.
func (l *logFile) shift() error {
	name := func(i int) string {
		if i == 0 {
			return l.path
		}
		return l.path + "." + strconv.Itoa(i)
	}
	if err := os.Remove(name(l.keep)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i := l.keep; i > 0; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *logFile) close() error {
	if l.f == nil {
		return nil
	}
	err := errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), l.f.Close())
	l.f = nil
	return err
}

// Close lets go of the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}
