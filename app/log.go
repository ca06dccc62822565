package app

import (
	"io"
	"sync"
)

// bufferedLog takes log lines out of the way of calls: a line is copied here, and one goroutine writes what has gathered.
// When the destination is slower than the log, writers wait once maxLog bytes have gathered; no line is dropped.
type bufferedLog struct {
	to io.Writer

	mu     sync.Mutex // guards buf and closed
	more   *sync.Cond // there is something to write, or it is closed
	room   *sync.Cond // what had gathered has been taken
	buf    []byte
	closed bool
	done   chan struct{}
}

const maxLog = 1 << 20 // bytes

func newBufferedLog(to io.Writer) *bufferedLog {
	l := &bufferedLog{to: to, done: make(chan struct{})}
	l.more, l.room = sync.NewCond(&l.mu), sync.NewCond(&l.mu)
	go l.run()
	return l
}

// Write takes one line. After Close it writes it directly.
func (l *bufferedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.buf) > 0 && len(l.buf)+len(p) > maxLog && !l.closed {
		l.room.Wait()
	}
	if l.closed {
		return l.to.Write(p)
	}
	l.buf = append(l.buf, p...)
	if len(l.buf) == len(p) {
		l.more.Signal()
	}
	return len(p), nil
}

func (l *bufferedLog) run() {
	defer close(l.done)
	var spare []byte
	for {
		l.mu.Lock()
		for len(l.buf) == 0 && !l.closed {
			l.more.Wait()
		}
		if len(l.buf) == 0 {
			l.mu.Unlock()
			return
		}
		out := l.buf
		l.buf = spare[:0]
		l.room.Broadcast()
		l.mu.Unlock()
		l.to.Write(out)
		if spare = out; cap(spare) > maxLog {
			spare = nil
		}
	}
}

// Close writes what has gathered.
func (l *bufferedLog) Close() {
	l.mu.Lock()
	l.closed = true
	l.more.Broadcast()
	l.room.Broadcast()
	l.mu.Unlock()
	<-l.done
}
