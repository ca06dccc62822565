package cache

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
)

// maxFlight bounds what is held of an answer that several callers wait for, in bytes. Of a longer one the part that all of
// them have is let go, and the fastest waits for the slowest.
const maxFlight = 4 << 20

// flight is one call to a target and all callers who get its answer. No goroutine of its own reads the answer: whoever of
// the callers needs more reads it for all. The target's call ends early only when all of them have left.
type flight struct {
	began time.Time
	ready chan struct{} // closed when what follows stands
	reply *llm.Reply
	begun llm.Reply // reply as it was then
	err   error
	own   *llm.Request // that the target is asked by: the first caller's, which may be over sooner
	free  func()       // gives back what own holds (its body above all), which the first caller holds as well; may be nil

	mu      sync.Mutex // guards what follows
	begins  bool       // what stands above does
	cancel  context.CancelCauseFunc
	buf     []byte  // of the answer, from base on
	lent    *[]byte // that buf began in
	base    int64
	long    bool  // some of it has been let go
	end     error // how the answer ended; nil: it goes on
	last    bool  // all of it that matters is in buf
	reading bool  // one of subs is in reply.Body.Next, which may change own and reply, or keeps the answer
	kept    bool  // it has been taken to be kept
	found   bool  // and been kept, if it was fit for that: whoever asks now finds it there, or asks anew
	dropped bool  // all callers have left, and the target's call was ended for that
	closed  bool
	changed chan struct{} // closed whenever the above changes while somebody waits for it; nil: nobody does
	subs    map[*sub]struct{}
	payer   *sub // whose call the target's work is put down to
	usage   llm.Usage
	said    said
}

// said is what own and reply say of who answers, as it was when nobody was reading last.
type said struct {
	own    llm.Request
	target llm.Reply
}

// sub is one caller of a flight, and its reply's body.
type sub struct {
	f      *flight
	ctx    context.Context
	r      *llm.Request
	reply  *llm.Reply // as this caller has it
	at     int64      // what it has got
	last   bool       // and that is all of it
	left   bool
	gone   bool // its caller has left, though its goroutine may not know yet
	unhook func() bool
	done   func(*flight)                                  // called by the first who closes after the end
	over   func(*flight)                                  // called by the last who closes
	spared func(by llm.Target, model string, u llm.Usage) // called when this caller has had all of it for nothing; nil: nobody wants to know
}

// bufs are buffers for answers under way. What is kept of one is a copy.
var bufs = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

const largestLent = 256 << 10 // bytes

func newFlight(now time.Time) *flight {
	lent := bufs.Get().(*[]byte)
	return &flight{began: now, lent: lent, buf: (*lent)[:0], ready: make(chan struct{}), subs: map[*sub]struct{}{}, usage: llm.NoUsage}
}

// join takes a caller in; false: the flight is over, given up or has failed, or is too long for one who comes late.
func (f *flight) join(ctx context.Context, r *llm.Request) (*sub, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.dropped || f.long || f.found || f.begins && f.err != nil || f.end != nil && f.end != io.EOF {
		return nil, false
	}
	s := &sub{f: f, ctx: ctx, r: r}
	f.subs[s] = struct{}{}
	if f.payer == nil {
		f.payer = s
	}
	s.unhook = context.AfterFunc(ctx, s.callerGone)
	return s, true
}

// lead asks next for all. It returns when the answer has begun, and its error is everybody's.
func (s *sub) lead(next llm.Handler) (*llm.Reply, error) {
	f := s.f
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(s.ctx))
	f.mu.Lock()
	f.cancel = cancel
	f.drop(s)
	f.mu.Unlock()
	own := *s.r
	reply, err := (*llm.Reply)(nil), error(errPanicked)
	begin := func() {
		f.mu.Lock()
		f.own, f.reply, f.err, f.begins = &own, reply, err, true
		f.said.own = own
		if reply != nil {
			f.begun, f.said.target = *reply, *reply
		}
		f.mu.Unlock()
		close(f.ready)
	}
	defer func() {
		if err == errPanicked {
			s.r.Release = own.Release
			begin()
			s.leave()
		}
	}()
	reply, err = next.Serve(ctx, &own)
	*s.r = own
	if err == nil {
		s.r.Release, f.free = twice(own.Release)
	}
	begin()
	return s.answer()
}

// twice is release for two who hold the same: it is called once both have let go. The target may be asked again, or still read
// the question, when the first caller's part is long over and its memory would be another's.
func twice(release func()) (one, other func()) {
	if release == nil {
		return nil, nil
	}
	var calls atomic.Int32
	let := func() {
		if calls.Add(1) == 2 {
			release()
		}
	}
	return sync.OnceFunc(let), sync.OnceFunc(let)
}

// wait is lead for those who came later.
func (s *sub) wait() (*llm.Reply, error) {
	select {
	case <-s.f.ready:
	case <-s.ctx.Done():
		select {
		case <-s.f.ready: // both: what is there is given
		default:
			s.leave()
			return nil, llm.Ended(s.ctx)
		}
	}
	s.f.mu.Lock()
	s.asked()
	s.f.mu.Unlock()
	return s.answer()
}

func (s *sub) answer() (*llm.Reply, error) {
	if s.f.err != nil {
		s.leave()
		return nil, s.f.err
	}
	reply := s.f.begun
	reply.Header = maps.Clone(reply.Header)
	if reply.Header == nil {
		reply.Header = http.Header{}
	}
	reply.Body = s
	s.reply = &reply
	return s.reply, nil
}

// asked notes whom the text has gone to. mu is held.
func (s *sub) asked() {
	own, target := &s.f.said.own, &s.f.said.target
	s.r.Target, s.r.Left, s.r.Masked, s.r.LastResort = own.Target, own.Left, own.Masked, own.LastResort
	if s.f.payer == s {
		s.r.Attempts, s.r.AskedOf, s.r.Passed, s.r.Queued, s.r.Tries = own.Attempts, own.AskedOf, own.Passed, own.Queued, own.Tries
		s.r.Shared = nil
	} else {
		s.r.Shared = own.Tries
	}
	if s.reply != nil { // of a call that was told to wait it is known only now
		s.reply.Provider, s.reply.Model, s.reply.Digest, s.reply.Route = target.Provider, target.Model, target.Digest, target.Route
	}
}

// Next gives what has come since, or reads on.
func (s *sub) Next() ([]byte, error) {
	f := s.f
	for {
		f.mu.Lock()
		if have := f.base + int64(len(f.buf)); s.at < have {
			p := f.buf[s.at-f.base : len(f.buf) : len(f.buf)]
			s.at = have
			if f.long {
				f.tell() // the reader may be waiting for us
			}
			if f.last {
				s.last = true
				s.settle()
			}
			f.mu.Unlock()
			return p, nil
		}
		if f.end != nil {
			s.settle()
			f.mu.Unlock()
			return nil, f.end
		}
		if !f.reading && f.room() {
			f.reading = true
			f.mu.Unlock()
			f.read()
			continue
		}
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-s.ctx.Done():
			f.mu.Lock()
			s.gone = true
			f.handOver(s) // whoever pays is to be known before this call is written down
			s.settle()
			f.mu.Unlock()
			return nil, llm.Ended(s.ctx)
		}
	}
}

// read takes one piece from the target. Only one caller at a time is here.
func (f *flight) read() {
	var p []byte
	var err error = errPanicked // the others are not to wait for one whose goroutine is gone
	last, usage := false, llm.NoUsage
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reading = false
		f.buf = append(f.buf, p...)
		if last || err != nil {
			f.last = f.last || last || err == io.EOF
			f.usage = usage
		}
		f.said.own, f.said.target = *f.own, *f.reply
		f.end = err
		f.tell()
	}()
	p, err = f.reply.Body.Next()
	last = err == nil && f.reply.Body.Last()
	if last || err != nil {
		usage = f.reply.Body.Usage()
	}
}

// room makes room in buf, and reports whether there is some.
func (f *flight) room() bool {
	if len(f.buf) < maxFlight {
		return true
	}
	slowest := f.base + int64(len(f.buf))
	for s := range f.subs {
		slowest = min(slowest, s.at)
	}
	if slowest > f.base {
		f.long = true
		f.buf = slices.Clone(f.buf[slowest-f.base:])
		f.base = slowest
	}
	return len(f.buf) < maxFlight
}

func (f *flight) tell() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// drop ends the target's call when no caller is left who would hear the answer. last is the one who left last; mu is held.
func (f *flight) drop(last *sub) {
	if f.cancel == nil || f.dropped {
		return
	}
	for s := range f.subs {
		if !s.gone {
			return
		}
	}
	f.dropped = true
	f.cancel(context.Cause(last.ctx))
}

// callerGone is called as soon as the caller's connection ends, wherever its goroutine is.
func (s *sub) callerGone() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.gone = true
	s.f.handOver(s)
	s.f.drop(s)
}

// handOver has another pay for s, who leaves: what is still to come is another's, and where nothing is, nothing changes. mu is held.
func (f *flight) handOver(s *sub) {
	if f.payer != s || f.end != nil || f.last || f.begins && f.err != nil {
		return
	}
	for other := range f.subs {
		if f.payer == s || !other.gone { // one who stays, if there is any
			f.payer = other
		}
		if !other.gone {
			return
		}
	}
}

// settle decides whether this call pays. mu is held.
func (s *sub) settle() {
	if own := &s.f.said.own; own.Reuse.Free { // a last resort from the cache, which cost nobody anything
		s.r.Reuse = own.Reuse
	} else {
		s.r.Reuse.Free = s.f.payer != s
	}
	if s.reply != nil {
		s.asked()
	}
}

// leave is the end of one caller's part.
func (s *sub) leave() {
	s.unhook()
	f := s.f
	f.mu.Lock()
	if s.left {
		f.mu.Unlock()
		return
	}
	s.left = true
	delete(f.subs, s)
	f.handOver(s)
	s.settle()
	free := s.spared != nil && f.last && f.payer != s && !f.said.own.Reuse.Free
	by, model, used := f.said.own.Target, f.said.target.Model, f.usage
	keep := f.last && !f.long && !f.kept && !f.reading && (f.end == nil || f.end == io.EOF) // who reads leaves later, and does it then
	f.kept, f.reading = f.kept || keep, f.reading || keep
	f.tell()
	f.mu.Unlock()
	if free {
		s.spared(by, model, used)
	}
	if keep { // until it is kept, those who come find it here
		s.done(f)
	}
	f.mu.Lock()
	if keep {
		f.reading, f.found = false, true
		f.tell()
	}
	alone := len(f.subs) == 0 && !f.closed
	f.closed = f.closed || alone
	cancel := f.cancel
	if !alone && !f.closed {
		f.drop(s) // unhook may have kept callerGone from it
	}
	f.mu.Unlock()
	if !alone {
		return
	}
	if f.reply != nil { // who is alone was there when it stood, or is the one who made it
		if f.end == nil {
			f.usage = f.reply.Body.Usage()
		}
		f.reply.Close()
		f.said.own, f.said.target = *f.own, *f.reply // of one that was told to wait they are known only now
		if s.reply != nil {
			s.asked()
		}
	}
	if cancel != nil {
		cancel(errFlightOver)
	}
	if cap(f.buf) <= largestLent {
		*f.lent = f.buf[:0]
		bufs.Put(f.lent)
	}
	f.buf, f.lent = nil, nil
	if s.over != nil {
		s.over(f)
	}
	s.r.Release = both(s.r.Release, f.free) // and not now: what is held for this call's cost is held until that is written down
}

var (
	errFlightOver = errors.New("all callers have their answer")
	errPanicked   = llm.Errorf(llm.Internal, "", nil, "Corral failed on this call; its log has the cause under the request id of another that asked the same.")
)

// More implements llm.Body.
func (s *sub) More() bool {
	f := s.f
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.at < f.base+int64(len(f.buf)) || f.end == nil && !f.reading && f.reply.Body.More()
}

// Last implements llm.Body.
func (s *sub) Last() bool { return s.last }

// Usage implements llm.Body.
func (s *sub) Usage() llm.Usage {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.usage
}

// Close implements llm.Body.
func (s *sub) Close() { s.leave() }
