package app

import (
	"os"
	"time"

	"golang.org/x/term"
)

// bar shows how far long work is: on a terminal as one line that changes, elsewhere not at all.
type bar struct {
	e     *env
	what  string
	on    bool
	last  time.Time
	begun time.Time
}

func (e *env) progress(what string) *bar {
	f, ok := e.err.(*os.File)
	return &bar{e: e, what: what, on: ok && term.IsTerminal(int(f.Fd())), begun: time.Now()}
}

func (b *bar) show(done, total uint64) {
	if !b.on || time.Since(b.last) < 100*time.Millisecond {
		return
	}
	b.last = time.Now()
	percent := 100.0
	if total > 0 {
		percent = 100 * float64(done) / float64(total)
	}
	sayf(b.e.err, "\r%s: %d of %d (%.0f %%), %s ", b.what, done, total, percent, time.Since(b.begun).Round(100*time.Millisecond))
}

func (b *bar) end() {
	if b.on && !b.last.IsZero() {
		sayf(b.e.err, "\r\033[K")
	}
}
