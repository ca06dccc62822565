package ledger

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"corral/store/ledger/treehead"
)

// AnchorStatus is how one anchor fares.
type AnchorStatus struct {
	Name  string    `json:"name"`
	Size  uint64    `json:"size"` // entries that it has seen
	Time  time.Time `json:"time,omitzero"`
	Error string    `json:"error,omitempty"` // of the last attempt
}

type anchorState struct {
	mu   sync.Mutex
	list []AnchorStatus
}

func (a *anchorState) status() []AnchorStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]AnchorStatus(nil), a.list...)
}

// offer hands the newest head over. An older one that still waits is replaced: the newest covers all before it. Only the writer's
// goroutine sends, so one of the two sends goes through.
func (l *Ledger) offer(signed []byte) {
	for {
		select {
		case l.heads <- signed:
			return
		default:
		}
		select {
		case <-l.heads:
		default:
		}
	}
}

// anchorWait bounds one delivery, so that a dead host holds up neither the other anchors nor Close for long.
const anchorWait = 5 * time.Second

// anchorPause keeps heads apart under load. Each costs an fsync of its own, and the newest says all that those before it said.
const anchorPause = time.Second

// publish gives heads to the anchors. A delivery that failed is not repeated: the next head says more.
func (l *Ledger) publish() {
	var list []AnchorStatus
	for _, a := range l.opts.Anchors {
		list = append(list, l.anchorAtStart(a))
	}
	l.anchored.mu.Lock()
	l.anchored.list = list
	l.anchored.mu.Unlock()
	pause := time.NewTimer(anchorPause)
	defer pause.Stop()
	for signed := range l.heads {
		head, err := treehead.Open(signed, l.verifier)
		if err != nil {
			l.opts.Log.Error("own tree head", "err", err)
			continue
		}
		for i, a := range l.opts.Anchors {
			ctx, cancel := context.WithTimeout(context.Background(), anchorWait)
			err := a.Publish(ctx, signed)
			cancel()
			l.anchored.mu.Lock()
			s := &l.anchored.list[i]
			if err != nil {
				if s.Error == "" {
					l.opts.Log.Error("anchor a tree head", "anchor", a.Name(), "size", head.Size, "err", err)
				}
				s.Error = strings.ReplaceAll(err.Error(), "\n", "; ") // of several attempts each has a line
			} else {
				s.Size, s.Time, s.Error = head.Size, head.Time, ""
			}
			l.anchored.mu.Unlock()
		}
		pause.Reset(anchorPause)
		select {
		case <-pause.C:
		case <-l.ending:
		}
	}
}

// anchorAtStart is what an anchor has of this ledger from before, where it can be read.
func (l *Ledger) anchorAtStart(a treehead.Anchor) AnchorStatus {
	s := AnchorStatus{Name: a.Name()}
	if r, ok := a.(treehead.Reader); ok {
		signed, _ := r.Signed() // what cannot be read is told when it cannot be written
		for _, one := range slices.Backward(signed) {
			if h, err := treehead.Open(one, l.verifier); err == nil && h.Origin == l.origin {
				s.Size, s.Time = h.Size, h.Time
				break
			}
		}
	}
	return s
}

// anchoredHeads are those that the readable anchors have, each anchor's in its order: the last of all, and all of this very ledger.
func (l *Ledger) anchoredHeads() (last *treehead.Head, own []treehead.Head) {
	for _, a := range l.opts.Anchors {
		r, ok := a.(treehead.Reader)
		if !ok {
			continue
		}
		signed, err := r.Signed()
		if err != nil {
			continue
		}
		for _, s := range signed {
			if h, err := treehead.Open(s, l.verifier); err == nil {
				if last == nil || !h.Time.Before(last.Time) {
					last = &h
				}
				if h.Origin == l.origin {
					own = append(own, h)
				}
			}
		}
	}
	return last, own
}
