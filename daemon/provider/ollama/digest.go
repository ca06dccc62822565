package ollama

import (
	"context"
	"sync"
	"time"
)

const (
	digestFresh   = 15 * time.Second // a model may be replaced behind Corral's back
	digestTimeout = 500 * time.Millisecond
)

// digests remembers which bytes stand behind each model's name, for the ledger. A call waits for that only when nothing is
// known of its model yet; a list that has grown old is fetched again beside the calls.
type digests struct {
	fetch func(context.Context) (map[string]string, error)

	mu       sync.Mutex // guards what follows
	known    map[string]string
	at       time.Time
	fetching chan struct{} // closed when the fetch under way is done; nil: none is
	wg       sync.WaitGroup
	closed   bool
}

// of is the digest of a model; empty when it cannot be told.
func (d *digests) of(ctx context.Context, model string) string {
	model = tagged(model)
	d.mu.Lock()
	digest, ok := d.known[model]
	old := time.Since(d.at) > digestFresh
	if ok && !old || d.closed {
		d.mu.Unlock()
		return digest
	}
	if d.fetching == nil && (old || d.at.IsZero()) {
		done := make(chan struct{})
		d.fetching = done
		d.wg.Go(func() { d.refresh(done) })
	}
	done := d.fetching
	d.mu.Unlock()
	if ok || done == nil {
		return digest
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[model]
}

func (d *digests) refresh(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), digestTimeout)
	defer cancel()
	known, err := d.fetch(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.known = known
	}
	d.at = time.Now()
	d.fetching = nil
	close(done)
}

// changed says that the models may have been changed.
func (d *digests) changed() {
	d.mu.Lock()
	d.at = time.Time{}
	d.mu.Unlock()
}

func (d *digests) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.wg.Wait()
}
