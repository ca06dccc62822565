package resilience

import (
	"context"
	"errors"
	"sync"
	"time"

	"corral/daemon/llm"
)

// errTooLong is why an attempt's context ends when its time is up.
var errTooLong = errors.New("the attempt took too long")

const (
	loadingEvery   = 5 * time.Second // between two looks at a model that is being loaded
	loadingTimeout = 2 * time.Second // of one look; no longer than the attempt itself may take
)

// patience ends an attempt that takes too long. When the time is up it looks first whether the model is being loaded: a
// cold start of minutes is no hang. As long as it is, up to Timeout.Load, the attempt goes on, and once it has been
// loaded the attempt gets its time anew. When the attempt has led to an answer, the same timer bounds that.
type patience struct {
	ctx    context.Context // of the attempt, and of the answer that comes of it
	cancel context.CancelCauseFunc

	loader Loader // nil: the provider cannot say
	model  string
	bound  time.Duration
	until  time.Time // the end of all patience

	looks sync.WaitGroup // the timer that runs, and the look that it led to
	mu    sync.Mutex     // guards what follows
	timer *time.Timer
	stop  context.CancelFunc // of the look under way
	done  bool
	over  bool
	load  bool // the model was being loaded at the last look
	seen  bool // at some look

	last     time.Duration // that the answer may take from its first content on; 0: no bound, or none has come
	provider string        // that gives it
}

func newPatience(ctx context.Context, c *call, bound time.Duration) *patience {
	p := &patience{bound: bound, model: c.r.Target.Model}
	if p.model == "" {
		p.model = c.r.Model
	}
	if c.rules.Timeout.Load > 0 {
		p.loader, _ = c.at.Handler.(Loader)
		p.until = time.Now().Add(bound + c.rules.Timeout.Load)
	}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.looks.Add(1)
	p.mu.Lock() // the timer may be as quick as this
	p.timer = time.AfterFunc(bound, p.up)
	p.mu.Unlock()
	return p
}

// up is called when the time is up.
func (p *patience) up() {
	defer p.looks.Done()
	p.mu.Lock()
	if p.last > 0 {
		p.cancel(llm.Errorf(llm.Timeout, "read "+p.provider, errTooLong,
			"%q was still answering after %v, and no answer may take longer; see timeouts.whole in corral.yaml.", p.provider, p.last))
	}
	if p.done {
		p.mu.Unlock()
		return
	}
	ctx, stop := context.WithTimeout(p.ctx, min(loadingTimeout, p.bound))
	defer stop()
	p.stop = stop
	p.mu.Unlock()

	loading := false
	if p.loader != nil && time.Now().Before(p.until) {
		loading, _ = p.loader.Loading(ctx, p.model) // who cannot say is not loading
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	wait := time.Until(p.until)
	switch {
	case p.done:
		return
	case loading:
		p.load, p.seen = true, true
		wait = min(wait, loadingEvery)
	case p.load:
		p.load = false
		wait = min(wait, p.bound)
	default:
		wait = 0
	}
	if wait <= 0 {
		p.over = true
		p.cancel(errTooLong)
		return
	}
	p.looks.Add(1)
	p.timer.Reset(wait)
}

// end says that the attempt has ended, and waits for a look that is under way. loaded: the model was loaded meanwhile;
// over: the time was up.
func (p *patience) end() (loaded, over bool) {
	p.mu.Lock()
	p.done = true
	if p.timer.Stop() {
		p.looks.Done()
	}
	if p.stop != nil {
		p.stop()
	}
	p.mu.Unlock()
	p.looks.Wait()
	return p.seen, p.over
}

// lastFor gives the answer, whose first content has come, so much time to its end.
func (p *patience) lastFor(d time.Duration, provider string) {
	p.mu.Lock()
	p.last, p.provider = d, provider
	p.looks.Add(1)
	p.timer.Reset(d)
	p.mu.Unlock()
}

// close ends the context: the answer has been read, or nobody wants it.
func (p *patience) close() {
	p.mu.Lock()
	if p.timer.Stop() {
		p.looks.Done()
	}
	p.mu.Unlock()
	p.cancel(nil)
}
