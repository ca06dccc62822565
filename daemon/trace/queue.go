package trace

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.opentelemetry.io/otel/attribute"
)

const (
	maxWaiting    = 1024             // calls; more are dropped
	maxTexts      = 16 << 20         // bytes of prompts and answers that wait; more are left out
	maxBatch      = 256              // calls in one request
	batchEvery    = 2 * time.Second  // what has come waits for more so long
	uploadTimeout = 10 * time.Second // of one batch, with all tries
	closeTimeout  = 3 * time.Second  // for all that waits when Corral stops
	troubleEvery  = 5 * time.Minute  // between two lines of the log about the same
)

var errFull = errors.New("more calls end than it takes")

// queue holds calls that are over until their spans are with the collector. No call ever waits for it: what does not fit is
// dropped and counted. Nor does a call wake who sends, but the one that makes a batch full: that costs more than all else here.
type queue struct {
	log    *slog.Logger
	make   *spanMaker
	to     atomic.Pointer[upload]
	held   atomic.Int64 // bytes of texts that wait
	ctx    context.Context
	cancel context.CancelFunc
	full   chan struct{} // a batch waits; holds one
	due    *time.Timer   // runs from the first call that waits
	stop   chan struct{} // closed: send what waits, and end
	done   chan struct{}

	sent, dropped, failed, rejected, texted *metrics.Counter

	taking  sync.Mutex // guards waiting
	waiting []*call    // at most maxWaiting

	mu      sync.Mutex // guards what follows
	failing bool
	told    time.Time // of the last line about it
	lost    int       // calls since then
}

func newQueue(o Options, about []attribute.KeyValue) *queue {
	q := &queue{log: o.Log, make: &spanMaker{servers: o.Servers, version: o.Version, resource: about}, full: make(chan struct{}, 1), due: time.NewTimer(batchEvery), stop: make(chan struct{}), done: make(chan struct{}),
		sent:     o.Set.GetOrCreateCounter("corral_traces_sent_total"),
		dropped:  o.Set.GetOrCreateCounter(`corral_traces_dropped_total{cause="full"}`),
		failed:   o.Set.GetOrCreateCounter(`corral_traces_dropped_total{cause="failed"}`),
		rejected: o.Set.GetOrCreateCounter("corral_traces_rejected_spans_total"),
		texted:   o.Set.GetOrCreateCounter("corral_traces_without_text_total"),
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	go q.run()
	return q
}

// close sends what waits, within closeTimeout.
func (q *queue) close() {
	close(q.stop)
	late := time.AfterFunc(closeTimeout, q.cancel)
	<-q.done
	late.Stop()
	q.cancel()
	q.to.Load().close()
}

// take takes a call that is over.
func (q *queue) take(c *call) {
	q.taking.Lock()
	n := len(q.waiting)
	if n == maxWaiting {
		q.taking.Unlock()
		q.dropped.Inc()
		q.held.Add(-c.end.held())
		q.lose(1, errFull)
		return
	}
	q.waiting = append(q.waiting, c)
	if n == 0 {
		q.due.Reset(batchEvery)
	}
	q.taking.Unlock()
	if n+1 >= maxBatch {
		select {
		case q.full <- struct{}{}:
		default:
		}
	}
}

// batch takes what waits longest, at most maxBatch calls; none where fewer than least wait.
func (q *queue) batch(room []*call, least int) []*call {
	q.taking.Lock()
	defer q.taking.Unlock()
	room = room[:0]
	if len(q.waiting) < least {
		return room
	}
	room = append(room, q.waiting[:min(len(q.waiting), maxBatch)]...)
	rest := copy(q.waiting, q.waiting[len(room):])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	if rest > 0 {
		q.due.Reset(batchEvery)
	}
	return room
}

func (q *queue) run() {
	defer close(q.done)
	defer q.due.Stop()
	var room []*call
	send := func(least int) bool {
		room = q.batch(room, least)
		q.send(room)
		clear(room)
		return len(room) > 0
	}
	for {
		select {
		case <-q.full:
			for send(maxBatch) {
			}
		case <-q.due.C:
			send(1)
		case <-q.stop:
			for send(1) {
			}
			return
		}
	}
}

// send brings batch to the collector, or drops it.
func (q *queue) send(batch []*call) {
	if len(batch) == 0 {
		return
	}
	var texts int64
	for _, c := range batch {
		texts += c.end.held()
	}
	defer q.held.Add(-texts)
	ctx, cancel := context.WithTimeout(q.ctx, uploadTimeout)
	defer cancel()
	to := q.to.Load()
	refused, err := to.send(ctx, q.make.of(batch), q.stop)
	if to != q.to.Load() {
		to.close() // the config has named another meanwhile
	}
	if err != nil {
		q.failed.Add(len(batch))
		q.lose(len(batch), err)
		return
	}
	q.sent.Add(len(batch))
	q.rejected.Add(refused)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failing {
		q.failing, q.told, q.lost = false, time.Time{}, 0
		q.log.Info("traces reach the collector again")
	}
}

// lose logs that spans were lost, now and then.
func (q *queue) lose(n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing = true
	q.lost += n
	if !q.told.IsZero() && time.Since(q.told) < troubleEvery {
		return
	}
	q.log.Warn("traces do not reach the collector; calls go on", "collector", q.to.Load().shown, "calls_lost", q.lost, "cause", err)
	q.told, q.lost = time.Now(), 0
}
