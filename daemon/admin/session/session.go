// Package session knows which browsers are logged in to the operator API, and the one-time links by which they come in.
// All of it is in memory: a restart logs everybody out.
//
// The surprise: a link that is used a second time by another browser ends the session that its first use began. Between
// `corral ui` and the browser the link can be seen in the list of processes, so of two who come with it one is a thief.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How long things last, and how many there may be.
const (
	LinkLife = 2 * time.Minute  // from the making of a link to its use
	Idle     = 30 * time.Minute // between two requests of a session
	Whole    = 12 * time.Hour   // of a session, however busy

	maxLinks    = 16 // one more, and the oldest is of no use
	maxSessions = 32 // one more, and the one that was idle longest ends
	wrongBurst  = 10 // wrong codes before the next ones are told to wait
	WrongEvery  = 6 * time.Second
)

// What a code is refused for.
var (
	ErrCode = errors.New("no such code") // or it is too old, was used already, or belongs to another origin
	ErrWait = errors.New("too many wrong codes")
)

// What a session ends by: the cause of Session.Done.
var (
	ErrLogout  = errors.New("logged out")
	ErrExpired = errors.New("the session is too old")
	ErrTwice   = errors.New("its link was used twice")
	ErrRoom    = errors.New("others needed its place")
	ErrStopped = errors.New("the end of Corral")
)

// Session is one browser's. Its secret, which the cookie holds, is not in it.
type Session struct {
	ID      string          // for the log
	Origin  string          // of the page it belongs to, such as http://127.0.0.1:11435
	CSRF    string          // which every change must show
	Expires time.Time       // at the latest
	Idle    time.Time       // without another request
	Done    context.Context // ends with the session
	Typed   *Typed          // the keys that were typed in it
}

// Typed is what keys a session has typed, each under its name. It grows, at most to maxTyped: what is more is not in it.
type Typed struct {
	mu   sync.Mutex
	keys map[string]sum
}

const maxTyped = 1000

// Add takes a key in.
func (n *Typed) Add(name, key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keys == nil {
		n.keys = map[string]sum{}
	}
	if _, ok := n.keys[name]; ok || len(n.keys) < maxTyped {
		n.keys[name] = sumOf(key)
	}
}

// Has reports whether that key was typed last under that name.
func (n *Typed) Has(name, key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	typed, ok := n.keys[name]
	return ok && typed == sumOf(key)
}

// A sum stands for a secret or a code. Looking one up takes no longer the more of it was guessed, for nobody can choose a
// text by its sum.
type sum [sha256.Size]byte

func sumOf(s string) sum { return sha256.Sum256([]byte(s)) }

type link struct {
	origin string
	made   time.Time
	used   *sum // the session that it began; nil: not used
}

type held struct {
	s           Session
	began, last time.Time
	end         context.CancelCauseFunc
	timer       *time.Timer
}

// Table is all sessions and links. It is safe for many goroutines.
type Table struct {
	mu       sync.Mutex
	links    map[sum]*link
	sessions map[sum]*held
	wrong    *rate.Limiter
	ended    func(id string, why error)
}

// New makes a Table. Close ends what is in it. ended is told of each session that ends, and must not ask the Table.
func New(ended func(id string, why error)) *Table {
	return &Table{links: map[sum]*link{}, sessions: map[sum]*held{}, wrong: rate.NewLimiter(rate.Every(WrongEvery), wrongBurst), ended: ended}
}

// age is how long ago t was. A clock that is set back makes nothing younger, nor does a machine that slept.
func age(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

func random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Link makes a code that begins one session for pages of origin, until expires.
func (t *Table) Link(origin string) (code string, expires time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var oldest sum
	for k, l := range t.links {
		if age(l.made) > LinkLife {
			delete(t.links, k)
		} else if o := t.links[oldest]; o == nil || l.made.Before(o.made) {
			oldest = k
		}
	}
	if len(t.links) >= maxLinks {
		delete(t.links, oldest)
	}
	code = random()
	l := &link{origin: origin, made: time.Now()}
	t.links[sumOf(code)] = l
	return code, l.made.Add(LinkLife)
}

// Begin exchanges a code for a session and its secret. shown is the secret that the browser has already: that session ends,
// so that nobody goes on with a secret from before the login. Errors: ErrCode, ErrWait.
//
// A right code is never told to wait. It has 256 bits, so waiting is not what keeps it from being guessed; it bounds what
// somebody who tries can write into the log, and must not keep the operator out meanwhile.
func (t *Table) Begin(code, origin, shown string) (secret string, s Session, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.links[sumOf(code)]
	if l == nil || age(l.made) > LinkLife || l.origin != origin || l.used != nil {
		if l != nil && l.used != nil && *l.used != sumOf(shown) {
			t.end(*l.used, ErrTwice)
		}
		if !t.wrong.Allow() {
			return "", s, ErrWait
		}
		return "", s, ErrCode
	}
	t.end(sumOf(shown), ErrLogout)
	if len(t.sessions) >= maxSessions {
		var idlest sum
		for k, h := range t.sessions {
			if o := t.sessions[idlest]; o == nil || h.last.Before(o.last) {
				idlest = k
			}
		}
		t.end(idlest, ErrRoom)
	}
	secret = random()
	k := sumOf(secret)
	l.used = &k
	h := &held{began: time.Now(), s: Session{ID: "ses_" + random()[:10], Origin: origin, CSRF: random(), Typed: &Typed{}}}
	h.last = h.began
	h.s.Expires = h.began.Add(Whole)
	h.s.Done, h.end = context.WithCancelCause(context.Background())
	h.timer = time.AfterFunc(Idle, func() { t.expire(k) })
	t.sessions[k] = h
	return secret, h.shown(), nil
}

func (h *held) shown() Session {
	s := h.s
	s.Idle = h.last.Add(Idle)
	return s
}

// left is how long the session has without another request.
func (h *held) left() time.Duration { return min(Idle-age(h.last), Whole-age(h.began)) }

// expire ends a session whose time is over, or looks again later.
func (t *Table) expire(k sum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.sessions[k]
	if h == nil {
		return
	}
	if left := h.left(); left > 0 {
		h.timer.Reset(left)
		return
	}
	t.end(k, ErrExpired)
}

// end ends a session, if it is there. t.mu is held.
func (t *Table) end(k sum, why error) {
	if h := t.sessions[k]; h != nil {
		delete(t.sessions, k)
		h.timer.Stop()
		h.end(why)
		t.ended(h.s.ID, why)
	}
}

// Find is the session of a secret. It does not count as use.
func (t *Table) Find(secret string) (Session, bool) { return t.find(secret, false) }

// Use is Find for a request that is the operator's own: the session has Idle again.
func (t *Table) Use(secret string) (Session, bool) { return t.find(secret, true) }

func (t *Table) find(secret string, use bool) (Session, bool) {
	k := sumOf(secret)
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.sessions[k]
	if h == nil {
		return Session{}, false
	}
	if h.left() <= 0 { // before its timer noticed, as after the machine slept
		t.end(k, ErrExpired)
		return Session{}, false
	}
	if use {
		h.last = time.Now()
	}
	return h.shown(), true
}

// End ends the session of a secret.
func (t *Table) End(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(sumOf(secret), ErrLogout)
}

// EndAll ends all sessions and makes all links useless. It returns how many sessions there were.
func (t *Table) EndAll() int { return t.endAll(ErrLogout) }

// Close ends all that there is.
func (t *Table) Close() { t.endAll(ErrStopped) }

func (t *Table) endAll(why error) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.sessions)
	for k := range t.sessions {
		t.end(k, why)
	}
	clear(t.links)
	return n
}
