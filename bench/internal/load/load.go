// Package load drives HTTP/1.1 load at one URL, closed loop (each connection
// sends its next request when the last is answered) or open loop (requests
// fall due at a constant rate, and latency counts from when each fell due, so
// a stalled server cannot hide its stall).
package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"corral/bench/internal/hist"
)

// Target is one URL under test.
type Target struct{ Name, URL string }

// Config says what to send and how.
type Config struct {
	Conns       int
	Rate        float64 // requests a second; 0: closed loop
	Duration    time.Duration
	Warm        time.Duration
	MaxRequests int64 // stop after so many; 0: no limit
	Timeout     time.Duration
	Body        []byte // every "{{id}}" becomes 16 hex digits
	Headers     []string
	Stream      bool    // the answer must end with its end mark
	NDJSON      bool    // events end with one newline, not two
	Fixed       bool    // one id for all requests
	Repeat      float64 // share of requests that take an id from a small pool
	Pool        int     // that pool's size
	Seed        uint64
}

// Result is what one run measured.
type Result struct {
	Name     string            `json:"name"`
	Requests uint64            `json:"requests"`
	OK       uint64            `json:"ok"`
	Seconds  float64           `json:"seconds"`
	RPS      float64           `json:"rps"`
	Latency  hist.Summary      `json:"latency"`           // open loop: since the request fell due
	Service  *hist.Summary     `json:"service,omitempty"` // open loop: since it was sent
	TTFT     *hist.Summary     `json:"ttft,omitempty"`    // first body byte, since it was sent
	Events   uint64            `json:"events,omitempty"`
	Bytes    uint64            `json:"bytes"`
	Errors   map[string]uint64 `json:"errors,omitempty"`
}

type worker struct {
	c             conn
	req           []byte
	at            []int // where the ids stand in req
	rng           *rand.Rand
	lat, svc, tt  hist.H
	ok            uint64
	events, bytes uint64
	errs          map[string]uint64
}

// epoch makes ids differ between runs that share a seed within one process.
var epoch atomic.Uint64

// Run loads t as cfg says.
func Run(t Target, cfg Config) (Result, error) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return Result{}, fmt.Errorf("need an http:// URL, got %q", t.URL)
	}
	addr := u.Host
	if u.Port() == "" {
		addr += ":80"
	}
	const mark = "{{id}}"
	const blank = "0000000000000000"
	body := bytes.ReplaceAll(cfg.Body, []byte(mark), []byte(blank))
	var at []int
	for i, off := 0, 0; ; {
		j := bytes.Index(cfg.Body[i:], []byte(mark))
		if j < 0 {
			break
		}
		at = append(at, i+j+off)
		i, off = i+j+len(mark), off+len(blank)-len(mark)
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		u.RequestURI(), u.Host, len(body))
	if len(body) == 0 {
		head = fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), u.Host)
	}
	for _, h := range cfg.Headers {
		head += strings.TrimSpace(h) + "\r\n"
	}
	head += "\r\n"
	run := epoch.Add(1)
	ws := make([]*worker, cfg.Conns)
	sep := []byte("\n\n")
	if cfg.NDJSON {
		sep = sep[:1]
	}
	for i := range ws {
		w := &worker{c: conn{addr: addr, timeout: cfg.Timeout, sep: sep}, errs: map[string]uint64{},
			rng: rand.New(rand.NewPCG(cfg.Seed, run<<32|uint64(i)))}
		w.req = append([]byte(head), body...)
		for _, a := range at {
			w.at = append(w.at, len(head)+a)
		}
		ws[i] = w
	}

	var wg sync.WaitGroup
	var sent atomic.Int64
	start := time.Now()
	begin := start.Add(cfg.Warm)
	end := begin.Add(cfg.Duration)
	var due chan time.Time
	if cfg.Rate > 0 {
		due = make(chan time.Time, 1<<20)
		go dispatch(due, start, end, cfg.Rate)
	}
	for _, w := range ws {
		wg.Go(func() {
			defer w.c.close()
			for {
				at := time.Now()
				if due != nil {
					var open bool
					if at, open = <-due; !open {
						return
					}
				} else if !at.Before(end) {
					return
				}
				if cfg.MaxRequests > 0 && sent.Add(1) > cfg.MaxRequests {
					return
				}
				w.one(&cfg, at, begin)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)

	r := Result{Name: t.Name, Seconds: took.Seconds(), Errors: map[string]uint64{}}
	var lat, svc, tt hist.H
	for _, w := range ws {
		lat.Merge(&w.lat)
		svc.Merge(&w.svc)
		tt.Merge(&w.tt)
		r.OK += w.ok
		r.Events += w.events
		r.Bytes += w.bytes
		for k, n := range w.errs {
			r.Errors[k] += n
			r.Requests += n
		}
	}
	r.Requests += r.OK
	r.RPS = float64(r.OK) / took.Seconds()
	r.Latency = lat.Summary()
	if due != nil {
		s := svc.Summary()
		r.Service = &s
	}
	if cfg.Stream {
		s := tt.Summary()
		r.TTFT = &s
	}
	return r, nil
}

// dispatch releases due times at a constant rate.
func dispatch(due chan<- time.Time, start, end time.Time, rate float64) {
	defer close(due)
	for i := 0; ; i++ {
		at := start.Add(time.Duration(float64(i) / rate * 1e9))
		if !at.Before(end) {
			return
		}
		if d := time.Until(at); d > 0 {
			pause(d)
		}
		due <- at
	}
}

const hexDigits = "0123456789abcdef"

func (w *worker) one(cfg *Config, at, begin time.Time) {
	if len(w.at) > 0 {
		id := w.rng.Uint64()
		if cfg.Fixed {
			id = cfg.Seed
		} else if cfg.Repeat > 0 && w.rng.Float64() < cfg.Repeat {
			id = cfg.Seed + 1 + w.rng.Uint64N(uint64(max(cfg.Pool, 1)))
		}
		for _, p := range w.at {
			for i := range 16 {
				w.req[p+i] = hexDigits[id>>(60-4*i)&15]
			}
		}
	}
	var a answer
	sent := time.Now()
	err := w.c.do(w.req, &a)
	now := time.Now()
	if at.Before(begin) {
		return // warm-up
	}
	switch {
	case err != nil:
		w.errs[kind(err)]++
		return
	case a.status == 429:
		w.errs["http_429"]++
		return
	case a.status >= 300 || a.status < 200:
		w.errs[fmt.Sprintf("http_%dxx", a.status/100)]++
		return
	case cfg.Stream && !a.done:
		w.errs["no_end_mark"]++
		return
	}
	w.ok++
	w.events += uint64(a.events)
	w.bytes += uint64(a.bytes)
	w.lat.Add(now.Sub(at))
	if cfg.Rate > 0 {
		w.svc.Add(now.Sub(sent))
	}
	if cfg.Stream {
		w.tt.Add(a.first.Sub(sent))
	}
}
