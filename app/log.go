package app

import (
	"io"
	"sync"
	"time"
)

// bufferedLog takes log lines out of the way of calls: a line is copied here, and what has gathered is written a moment
// later. When the destination is slower than the log, writers wait once maxLog bytes have gathered; no line is dropped.
type bufferedLog struct {
	to io.Writer

	mu      sync.Mutex // guards what follows
	room    *sync.Cond // what had gathered has been taken
	buf     []byte
	spare   []byte
	timer   *time.Timer // runs while buf holds something that nobody writes
	writing bool
	closed  bool
}

const (
	maxLog = 1 << 20               // bytes
	gather = 20 * time.Millisecond // a goroutine woken for each line would cost more than the line
)

func newBufferedLog(to io.Writer) *bufferedLog {
	l := &bufferedLog{to: to}
	l.room = sync.NewCond(&l.mu)
	l.timer = time.AfterFunc(time.Hour, l.flush)
	l.timer.Stop()
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
	if len(l.buf) == 0 && !l.writing {
		l.timer.Reset(gather)
	}
	l.buf = append(l.buf, p...)
	return len(p), nil
}

// flush writes until nothing is left.
func (l *bufferedLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing {
		return
	}
	l.writing = true
	for len(l.buf) > 0 {
		out := l.buf
		l.buf = l.spare[:0]
		l.mu.Unlock()
		l.to.Write(out)
		l.mu.Lock()
		if l.spare = out; cap(out) > maxLog {
			l.spare = nil
		}
		l.room.Broadcast()
	}
	l.writing = false
	l.room.Broadcast()
}

// Close writes what has gathered.
func (l *bufferedLog) Close() {
	l.timer.Stop()
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.room.Wait()
	}
	l.closed = true
	l.room.Broadcast()
}
