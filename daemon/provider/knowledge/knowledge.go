// Package knowledge remembers what a server told of its models, for calls that cannot wait: a call waits only for what is told of a model of
// which nothing is known yet, and for half a second at most. What has grown old is asked for again beside the calls.
package knowledge

import (
	"context"
	"maps"
	"sync"
	"time"
)

const (
	fresh   = 15 * time.Second // a model may be replaced behind Corral's back
	timeout = 500 * time.Millisecond
	most    = 1000 // models: callers may send any name
)

// Of is what is known of each model. Close must be called.
type Of[T any] struct {
	fetch   func(ctx context.Context, model string) (T, error)
	nothing func(T) bool

	mu     sync.Mutex // guards what follows
	models map[string]*known[T]
	wg     sync.WaitGroup
	closed bool
}

type known[T any] struct {
	value    T
	at       time.Time     // of the last answer, or of the failure to get one; zero: nothing is known
	fetching chan struct{} // closed when the fetch under way is done; nil: none is
}

// New makes an Of. fetch asks the server; nothing reports whether what it told is as good as nothing.
func New[T any](fetch func(ctx context.Context, model string) (T, error), nothing func(T) bool) *Of[T] {
	return &Of[T]{fetch: fetch, nothing: nothing, models: map[string]*known[T]{}}
}

// Get is what is known of a model, after a short wait if that is nothing; the zero value if it stays so.
func (k *Of[T]) Get(ctx context.Context, model string) T {
	k.mu.Lock()
	m := k.models[model]
	if m == nil {
		if len(k.models) >= most {
			k.forget()
		}
		m = &known[T]{}
		k.models[model] = m
	}
	if time.Since(m.at) > fresh && m.fetching == nil && !k.closed {
		done := make(chan struct{})
		m.fetching = done
		k.wg.Go(func() { k.refresh(model, m, done) })
	}
	x, wait := m.value, m.fetching
	if !m.at.IsZero() || wait == nil {
		k.mu.Unlock()
		return x
	}
	k.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return m.value
}

// forget makes room: of names that are no models nothing is kept, and where that is not enough, of none. What is being fetched goes to
// those who wait for it all the same. It needs the lock.
func (k *Of[T]) forget() {
	maps.DeleteFunc(k.models, func(_ string, m *known[T]) bool { return k.nothing(m.value) })
	if len(k.models) >= most {
		clear(k.models)
	}
}

func (k *Of[T]) refresh(model string, m *known[T], done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	x, err := k.fetch(ctx, model)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		m.value = x
	}
	m.at, m.fetching = time.Now(), nil
	close(done)
}

// Changed says that the models may have been changed.
func (k *Of[T]) Changed() {
	k.mu.Lock()
	clear(k.models)
	k.mu.Unlock()
}

// Close waits for the questions under way.
func (k *Of[T]) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.wg.Wait()
}
