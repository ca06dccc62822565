package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Live keeps the config in force while its file changes. A new config comes into force as a whole or not at all: every
// subscriber verifies it before the first one commits. It is safe for use by many goroutines; Current never waits.
type Live struct {
	source  Source
	started Config // what the listener was opened with
	settle  time.Duration
	sync    func(dir string) error // makes a rename outlast a power cut

	current  atomic.Pointer[Config]
	warnings atomic.Pointer[[]Problem]

	subscribing sync.Mutex
	subscribers []subscriber

	reloading sync.Mutex
	seen      []byte // the file's content at the last look, good or not; nil: no file
	blank     bool   // the config in force is that of an empty file
}

type subscriber struct {
	verify func(old, new Config) error
	commit func(Config)
}

// settle is how long the file must be left alone before it is read: editors and copying programs write in steps.
const settle = 100 * time.Millisecond

// Open loads the config to start with. Warnings are as in Parse, the errors as in Source.Load.
func Open(source Source) (*Live, error) {
	data, err := source.read()
	if err != nil {
		return nil, err
	}
	c, warnings, err := source.parse(data)
	if err != nil {
		return nil, err
	}
	l := &Live{source: source, started: c, settle: settle, sync: syncDir, seen: data, blank: isBlank(data)}
	l.current.Store(&c)
	l.warnings.Store(&warnings)
	return l, nil
}

// Current is the config in force.
func (l *Live) Current() Config { return *l.current.Load() }

// Warnings are those of the config in force.
func (l *Live) Warnings() []Problem { return *l.warnings.Load() }

// Path is the file that is watched; empty when there is none.
func (l *Live) Path() string { return l.source.Path }

// Subscribe takes part in every later reload. Verify says whether the new config can be taken over, and prepares what may
// fail; it must leave the old one in force, for another subscriber may refuse. Commit takes over; it cannot fail. Both may
// be nil. They are called in the order of Subscribe, one at a time, and must not call Reload.
func (l *Live) Subscribe(verify func(old, new Config) error, commit func(Config)) {
	l.subscribing.Lock()
	defer l.subscribing.Unlock()
	l.subscribers = append(l.subscribers, subscriber{verify, commit})
}

// Reload reads all layers again and takes them over, even when nothing changed: keys in files may have. When it returns an
// error, the old config is still in force. The error is an *Errors when the content is at fault.
func (l *Live) Reload(ctx context.Context) error {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	_, err := l.reload(ctx, func([]byte) bool { return true })
	return err
}

// errSame says that there was nothing to reload.
var errSame = errors.New("the file is the same")

// reload needs the reloading lock. It returns the names of the fields that changed.
func (l *Live) reload(ctx context.Context, wanted func(data []byte) bool) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := l.source.read()
	if err != nil {
		data = nil
	}
	if !wanted(data) {
		return nil, errSame
	}
	l.seen = data
	if err != nil {
		return nil, fmt.Errorf("the old config stays in force: %w", err)
	}
	commit, err := l.verify(data)
	if err != nil {
		return nil, err
	}
	return commit(), nil
}

// verify makes a config of the file's content and lets everybody look at it; commit puts it in force, and returns the names of the
// fields that changed. It needs the reloading lock.
func (l *Live) verify(data []byte) (commit func() []string, err error) {
	// A file that is being replaced is empty or away for a moment, and nothing in it would mean the defaults: the listener
	// open to other machines would ask for no key any more. Whoever wants the defaults can say so with a comment.
	if isBlank(data) && !l.blank {
		return nil, l.emptied(data)
	}
	next, warnings, err := l.source.parse(data)
	if err != nil {
		return nil, err
	}
	if err := l.stillSafe(next); err != nil {
		return nil, err
	}
	old := l.Current()
	l.subscribing.Lock()
	subscribers := l.subscribers[:len(l.subscribers):len(l.subscribers)]
	l.subscribing.Unlock()
	var refused []error
	for _, s := range subscribers {
		if s.verify != nil {
			refused = append(refused, s.verify(old, next))
		}
	}
	if err := errors.Join(refused...); err != nil {
		return nil, fmt.Errorf("the new config cannot be taken over: %w", err)
	}
	return func() []string {
		l.current.Store(&next)
		l.warnings.Store(&warnings)
		l.blank = isBlank(data)
		for _, s := range subscribers {
			if s.commit != nil {
				s.commit(next)
			}
		}
		return Changed(old, next)
	}, nil
}

// emptied says that the file has nothing in it any more.
func (l *Live) emptied(data []byte) error {
	state := "is empty"
	if data == nil {
		state = "is gone"
	}
	return &Errors{[]Problem{{File: l.source.Path, Message: state + "; the old config stays in force until a restart"}}}
}

// leavesNothing says that a text would take all there is out of the file, which a running Corral does not take for a config.
func (l *Live) leavesNothing() error {
	return &Errors{[]Problem{{File: l.source.Path, Message: "this would leave the file empty; where the defaults are meant, write a line such as \"# the defaults\" into it"}}}
}

// Replaceable says why a text for the file cannot take the place of was, nil for no file; nil: it can. An edit of a file that is gone or
// empty would leave itself alone in it, and put all else that is in force out of it.
func (l *Live) Replaceable(was []byte) error {
	if !isBlank(was) || l.wasBlank() {
		return nil
	}
	return l.lost(was)
}

func (l *Live) lost(was []byte) error {
	state, do := "is empty, but what stood in it is in force", "put it back"
	if was == nil {
		state, do = "is gone, but what stood in it is in force", "put it back, or begin a new one with `corral config init`"
	}
	if _, err := os.Stat(Kept(l.source.Path)); err == nil {
		do += "; " + Kept(l.source.Path) + " is how it was before the last change"
	}
	return &Errors{[]Problem{{File: l.source.Path, Message: state + ", and a change would leave nothing else of it: " + do}}}
}

func (l *Live) wasBlank() bool {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	return l.blank
}

// stillSafe looks at what a file cannot know of itself: the listener keeps its address until a restart, so a file that
// moves to loopback and drops the keys in one step would leave the old address open to everyone.
func (l *Live) stillSafe(next Config) error {
	if next.Auth == AuthNone && !listensOnLoopback(l.started.Listen) {
		return &Errors{[]Problem{{File: l.source.Path, Field: "auth",
			Message: fmt.Sprintf("none would open %s, which Corral still listens on, to other machines; restart Corral to take over both", l.started.Listen)}}}
	}
	return nil
}

func isBlank(data []byte) bool { return len(bytes.TrimSpace(data)) == 0 }

// Changed names the fields at the top that differ, in their order.
func Changed(old, new Config) []string {
	var names []string
	a, b := reflect.ValueOf(old), reflect.ValueOf(new)
	for i, name := range fieldNames(a.Type()) {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return names
}

// NeedsRestart names the fields that differ and that a running Corral cannot take over. Compare with the config that
// Corral started with, not with the one before: a change that waits for a restart keeps waiting over later reloads.
func NeedsRestart(started, now Config) []string {
	var names []string
	if started.Listen != now.Listen {
		names = append(names, "listen")
	}
	if a, b := started.Audit, now.Audit; a.Content != b.Content || a.OnFailure != b.OnFailure || !slices.Equal(a.Anchors, b.Anchors) {
		names = append(names, "audit")
	}
	if a, b := started.Telemetry, now.Telemetry; a.Format != b.Format || a.File != b.File || a.FileMaxBytes != b.FileMaxBytes || a.FileKeep != b.FileKeep {
		names = append(names, "telemetry")
	}
	if (started.Cache.MaxFile == 0) != (now.Cache.MaxFile == 0) {
		names = append(names, "cache.max_file")
	}
	return names
}

// Started is the config that Open loaded, for NeedsRestart.
func (l *Live) Started() Config { return l.started }
