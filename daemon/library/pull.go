package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"corral/daemon/provider"
)

// Bounds of pulls.
const (
	AtOnce  = 2  // run; the others wait
	Most    = 20 // run and wait
	Keep    = 20 // that are over can still be looked at
	maxName = 500
)

// What a pull is.
const (
	Waiting   = "waiting" // for a place
	Running   = "running"
	Done      = "done"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Pull is a model on its way to this device.
type Pull struct {
	ID       string     `json:"id"`
	Provider string     `json:"provider"`
	Model    string     `json:"model"`
	State    string     `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Step     string     `json:"step,omitempty" doc:"what its server does, in the server's words"`
	Done     uint64     `json:"done" doc:"bytes"`
	Total    uint64     `json:"total,omitempty" doc:"bytes; absent: not known yet"`
	Speed    uint64     `json:"speed,omitempty" doc:"bytes a second, over the last seconds"`
	Left     float64    `json:"left,omitempty" doc:"seconds to go at this speed; absent: not known"`
	Started  time.Time  `json:"started"`
	Ended    *time.Time `json:"ended,omitempty"`
	Why      string     `json:"why,omitempty" doc:"it failed, and what to do"`
}

// Over reports whether nothing more becomes of it.
func (p Pull) Over() bool { return p.State != Waiting && p.State != Running }

type pull struct {
	Pull
	full   string
	cancel context.CancelCauseFunc
	speed  speed
	told   time.Time
}

var errCancelled = errors.New("cancelled")

// tellEvery is how often Told hears of a pull that goes on.
const tellEvery = 250 * time.Millisecond

// Start begins to pull a model, or joins the pull of it that is under way: joined says so. server may be empty: the first that keeps
// models.
func (l *Library) Start(server, name string, insecure bool) (p Pull, joined bool, err error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxName || strings.ContainsAny(name, " \t\r\n") {
		return p, false, &Error{Status: 422, Text: fmt.Sprintf("%.100q is no name of a model; one looks like llama3.2, llama3.2:1b, or hf.co/owner/model", name)}
	}
	s, k, err := l.server(server)
	if err != nil {
		return p, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full, under := k.Full(name), 0
	for _, x := range l.pulls {
		if x.Over() {
			continue
		}
		if under++; x.Provider == s.Name && x.full == full {
			return x.Pull, true, nil
		}
	}
	switch {
	case l.shut:
		return p, false, &Error{Status: 503, Text: ErrClosed.Error()}
	case under >= Most:
		return p, false, &Error{Status: 429, Text: fmt.Sprintf("%d models are being pulled already; wait for one of them, or cancel it", under)}
	}
	ctx, cancel := context.WithCancelCause(l.ctx)
	l.made++
	x := &pull{Pull: Pull{ID: strconv.Itoa(l.made), Provider: s.Name, Model: name, State: Waiting, Started: time.Now()}, full: full, cancel: cancel}
	l.pulls = append(l.pulls, x)
	l.forget()
	l.wg.Go(func() {
		defer cancel(nil)
		l.run(ctx, s, k, x, insecure)
	})
	l.o.Told(x.Pull)
	return x.Pull, false, nil
}

// forget drops the oldest of those that are over. mu is held.
func (l *Library) forget() {
	over := 0
	for _, x := range l.pulls {
		if x.Over() {
			over++
		}
	}
	l.pulls = slices.DeleteFunc(l.pulls, func(x *pull) bool {
		if x.Over() && over > Keep {
			over--
			return true
		}
		return false
	})
}

// run is a pull's whole life.
func (l *Library) run(ctx context.Context, s Server, k provider.Keeper, x *pull, insecure bool) {
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	case <-ctx.Done():
		l.end(ctx, s, x, context.Cause(ctx))
		return
	}
	l.change(x, func(p *pull) { p.State, p.Step = Running, "asking the registry" })
	checked := uint64(0) // the total for which there is room
	folder := l.folder(ctx, k)
	err := k.Pull(ctx, x.Model, insecure, func(now provider.Progress) error {
		l.progress(x, now)
		if now.Total <= checked {
			return nil
		}
		checked = now.Total
		return l.room(ctx, folder, now)
	})
	l.end(ctx, s, x, err)
}

// folder is where k keeps its models, as far as it tells.
func (l *Library) folder(ctx context.Context, k provider.Keeper) string {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := k.Stock(ctx)
	if err != nil {
		return ""
	}
	for _, m := range list {
		if m.Folder != "" {
			return m.Folder
		}
	}
	return ""
}

// spare is what a pull leaves on the disk.
const spare = 64 << 20

// room says no to a pull for which the disk has none. What is there of an earlier one has been counted as done.
func (l *Library) room(ctx context.Context, folder string, now provider.Progress) error {
	where, free, known := l.disk(ctx, folder)
	if left := now.Total - now.Done; known && left+spare > free {
		return &Error{Status: 507, Text: fmt.Sprintf("%s more are needed on the disk, and %s are free in %s: remove models that you do not need (`corral models rm`), or free some space", Size(left), Size(free), where)}
	}
	return nil
}

// change changes a pull and tells of it.
func (l *Library) change(x *pull, f func(*pull)) {
	l.mu.Lock()
	f(x)
	x.told = time.Now()
	p := x.Pull
	l.mu.Unlock()
	l.o.Told(p)
}

func (l *Library) progress(x *pull, now provider.Progress) {
	at := time.Now()
	l.mu.Lock()
	x.Done, x.Total = now.Done, now.Total
	x.Speed, x.Left = x.speed.at(at, now.Done), 0
	if x.Speed > 0 && now.Total > now.Done {
		x.Left = float64(now.Total-now.Done) / float64(x.Speed)
	}
	tell := x.Step != now.Step || at.Sub(x.told) >= tellEvery
	x.Step = now.Step
	if tell {
		x.told = at
	}
	p := x.Pull
	l.mu.Unlock()
	if tell {
		l.o.Told(p)
	}
}

// end says what became of a pull.
func (l *Library) end(ctx context.Context, s Server, x *pull, err error) {
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		l.o.Changed(s.Name, x.Model, "pulled")
	}
	l.change(x, func(p *pull) {
		now := time.Now()
		p.Ended, p.Speed, p.Left, p.Step = &now, 0, 0, ""
		var own *Error
		var asked *provider.AskError
		switch {
		case err == nil:
			p.State, p.Done = Done, p.Total
		case errors.Is(err, errCancelled):
			p.State = Cancelled
		case errors.As(err, &own):
			p.State, p.Why = Failed, own.Text
		case errors.As(err, &asked):
			p.State, p.Why = Failed, asked.Text+remedy(asked.Text)
		case errors.Is(err, ErrClosed):
			p.State, p.Why = Failed, "Corral was stopped; pull again, and it goes on where it stopped"
		default:
			p.State, p.Why = Failed, away(s, err)
		}
	})
}

// Pulls are those that are under way and the last ones that are over, newest first.
func (l *Library) Pulls() []Pull {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Pull, 0, len(l.pulls))
	for _, x := range slices.Backward(l.pulls) {
		out = append(out, x.Pull)
	}
	return out
}

// Cancel ends a pull, at the server too, which keeps what it has so far. One that is over is no longer listed then.
func (l *Library) Cancel(id string) (Pull, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.pulls, func(x *pull) bool { return x.ID == id })
	if i < 0 {
		return Pull{}, &Error{Status: 404, Text: fmt.Sprintf("there is no pull %q; it may be over", id)}
	}
	x := l.pulls[i]
	if x.Over() {
		l.pulls = slices.Delete(l.pulls, i, i+1)
	} else {
		x.cancel(errCancelled)
	}
	return x.Pull, nil
}

// speed is measured over the last seconds.
type speed struct {
	marks []mark // oldest first
}

type mark struct {
	at   time.Time
	done uint64
}

const (
	speedOver  = 5 * time.Second
	speedEvery = 250 * time.Millisecond
	speedLeast = time.Second
)

// at is bytes a second; 0: not known yet.
func (s *speed) at(now time.Time, done uint64) uint64 {
	if n := len(s.marks); n == 0 || now.Sub(s.marks[n-1].at) >= speedEvery {
		s.marks = append(s.marks, mark{now, done})
	}
	for len(s.marks) > 2 && now.Sub(s.marks[1].at) >= speedOver {
		s.marks = s.marks[1:]
	}
	first := s.marks[0]
	took := now.Sub(first.at)
	if took < speedLeast || done < first.done {
		return 0
	}
	return uint64(float64(done-first.done) / cmp.Or(took.Seconds(), 1))
}
