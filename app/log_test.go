package app

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// gate is a destination that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	buf  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.buf.Write(p)
}

func TestNoLineIsLostAndNoneIsParted(t *testing.T) {
	var out bytes.Buffer // written by the log's one goroutine, and read when that has ended
	l := newBufferedLog(&out)
	const writers, lines = 16, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				line := fmt.Sprintf("%d:%d %s\n", w, i, strings.Repeat("x", i))
				if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
					t.Errorf("wrote %d of %d: %v", n, len(line), err)
				}
			}
		})
	}
	wg.Wait()
	l.Close()
	next := make([]int, writers)
	for line := range strings.Lines(out.String()) {
		var w, i int
		var x string
		fmt.Sscanf(line, "%d:%d %s", &w, &i, &x)
		if i != next[w] || len(x) != i {
			t.Fatalf("writer %d: line %d is %.40q", w, next[w], line)
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d of %d lines", w, n, lines)
		}
	}
}

func TestASlowDestinationHoldsWritersAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := newBufferedLog(g)
		kib := bytes.Repeat([]byte("y"), 1<<10)
		written := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 4 * maxLog / len(kib) {
				l.Write(kib)
				written += len(kib)
			}
		}()
		synctest.Wait() // all that can go on has: the writer waits, and so does the destination
		select {
		case <-done:
			t.Fatal("nothing held the writer")
		default:
		}
		if written > 2*maxLog {
			t.Errorf("%d bytes are held; one buffer is %d", written, maxLog)
		}
		close(g.open)
		<-done
		l.Close()
		if g.buf.Len() != 4*maxLog {
			t.Errorf("%d of %d bytes arrived", g.buf.Len(), 4*maxLog)
		}
	})
}

func TestALineLargerThanTheBoundPasses(t *testing.T) {
	var out bytes.Buffer
	l := newBufferedLog(&out)
	large := bytes.Repeat([]byte("z"), 3*maxLog)
	l.Write([]byte("before\n"))
	l.Write(large)
	l.Write([]byte("after\n"))
	l.Close()
	if want := "before\n" + string(large) + "after\n"; out.String() != want {
		t.Errorf("%d bytes of %d", out.Len(), len(want))
	}
}

func TestCloseWritesWhatHasGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := newBufferedLog(g)
		l.Write([]byte("one\n"))
		synctest.Wait() // the destination has it, and is slow
		l.Write([]byte("two\n"))
		l.Write([]byte("three\n"))
		closed := make(chan struct{})
		go func() { l.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("Close did not wait for what it has to write")
		default:
		}
		close(g.open)
		<-closed
		if got := g.buf.String(); got != "one\ntwo\nthree\n" {
			t.Errorf("%q", got)
		}
		// What is said after that, as by a fault at the very end, is not lost either.
		l.Write([]byte("four\n"))
		if got := g.buf.String(); !strings.HasSuffix(got, "three\nfour\n") {
			t.Errorf("%q", got)
		}
	})
}
