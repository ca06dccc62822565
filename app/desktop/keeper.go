package desktop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"corral/daemon/client"
	"corral/daemon/event"
	"corral/daemon/health"
)

// State is how the window and the daemon are to each other.
type State string

// The states.
const (
	Starting  State = "starting"  // one is looked for, or was started a moment ago
	Connected State = "connected" // one answers
	Away      State = "away"      // one answered, or did not start: a person may start it
)

// Report is what the window shows of the daemon.
type Report struct {
	State    State  `json:"state"`
	Why      string `json:"why,omitempty"` // it is away
	Address  string `json:"address,omitempty"`
	Version  string `json:"version,omitempty"`
	Started  string `json:"started,omitempty"` // tells one start of the daemon from the next
	Severity string `json:"severity,omitempty"`
	Paused   bool   `json:"paused,omitempty"`
}

// look is what the tray shows of a report.
func (r Report) look() (icon, text string) {
	switch {
	case r.State == Starting:
		return "away", "Corral is starting"
	case r.State != Connected:
		return "away", "Corral is not running"
	case r.Paused:
		return "attention", "Corral is paused"
	case r.Severity == "warning" || r.Severity == "critical":
		return "attention", "Corral needs attention"
	}
	return "well", "Corral is well"
}

// The keeper's patience.
const (
	keeperLook  = 500 * time.Millisecond // between two looks for a daemon
	keeperAsk   = 5 * time.Second        // for one answer
	keeperStart = 60 * time.Second       // for a daemon to answer after its start: it may have a large database to look at
)

// keeper finds the daemon, starts one at the beginning or when asked to, and tells how it is. It has one loop; the page and
// the menu send it wishes.
type keeper struct {
	dataDir string
	open    func() (*client.Client, error)
	serve   []string
	told    func(Report)      // in order, by the loop, and only what is new
	event   func(event.Event) // what the feed tells, by the loop
	wish    chan struct{}     // somebody wants a daemon to be started
	last    Report            // that was told; the loop's own
}

// start asks for a daemon to be started, if there is none.
func (k *keeper) start() {
	select {
	case k.wish <- struct{}{}:
	default: // one wish is enough
	}
}

// tell tells what is new. A daemon that was away for no moment is not told anew, for the window would make a new link to log in by.
func (k *keeper) tell(r Report) {
	if r != k.last {
		k.last = r
		k.told(r)
	}
}

// run finds a daemon or starts one, and follows it, until ctx ends. The daemon lives on.
func (k *keeper) run(ctx context.Context) {
	k.tell(Report{State: Starting})
	k.start()
	why := ""
	followed := false // until a moment ago
	for ctx.Err() == nil {
		api, r, err := k.look(ctx)
		switch {
		case err == nil && followed: // it answers, and has no feed for us, or is about to stop
			followed = false
			select {
			case <-ctx.Done():
			case <-time.After(keeperLook):
			}
			continue
		case err == nil:
			select {
			case <-k.wish: // it is fulfilled
			default:
			}
			k.tell(r)
			err = k.follow(ctx, api)
			why = "Corral has stopped."
			if err != nil && !errors.Is(err, client.ErrNotRunning) {
				why = "The connection to Corral broke off."
			}
			followed = true
			continue
		}
		followed = false
		if k.last.State == Connected && ctx.Err() == nil {
			k.tell(Report{State: Away, Why: why})
		}
		select {
		case <-ctx.Done():
		case <-k.wish:
			k.tell(Report{State: Starting})
			if err := k.launch(ctx); err != nil && ctx.Err() == nil {
				k.tell(Report{State: Away, Why: err.Error()})
			}
		case <-time.After(keeperLook):
		}
	}
}

// look asks for the daemon's status.
func (k *keeper) look(ctx context.Context) (*client.Client, Report, error) {
	ctx, cancel := context.WithTimeout(ctx, keeperAsk)
	defer cancel()
	api, err := k.open()
	if err != nil {
		return nil, Report{}, err
	}
	s, err := api.Status(ctx)
	if err != nil {
		return nil, Report{}, err
	}
	return api, Report{State: Connected, Address: s.Listen, Version: s.Version, Started: s.Started.UTC().Format(time.RFC3339Nano), Severity: health.Worst(s.Conditions).String(), Paused: s.Paused}, nil
}

// follow reads the feed until the connection breaks.
func (k *keeper) follow(ctx context.Context, api *client.Client) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for told, err := range api.Events(ctx, client.EventOptions{Types: []string{"condition", "budget", "service"}, Broken: func(err error) { cancel(err) }}) {
		if err != nil {
			return err
		}
		k.event(told.Event)
		if _, ok := told.Event.(event.Condition); !ok {
			continue
		}
		if _, now, err := k.look(ctx); err == nil {
			k.tell(now)
		}
	}
	return context.Cause(ctx)
}

// launch starts a daemon in a session of its own, so that it lives on when this program ends, and waits until it answers.
func (k *keeper) launch(ctx context.Context) error {
	if err := os.MkdirAll(k.dataDir, 0o700); err != nil {
		return fmt.Errorf("start Corral: %w", err)
	}
	// What it says before its log is open, or when it is not opened at all.
	first, err := os.OpenFile(filepath.Join(k.dataDir, "start.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start Corral: %w", err)
	}
	defer first.Close()
	cmd := exec.Command(k.serve[0], k.serve[1:]...)
	cmd.Stdout, cmd.Stderr = first, first
	cmd.Dir = k.dataDir // not on a stick that somebody wants back
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start Corral: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the daemon, or with this program
	patience := time.NewTimer(keeperStart)
	defer patience.Stop()
	look := time.NewTicker(keeperLook / 5)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			if _, _, e := k.look(ctx); e == nil {
				return nil // somebody else was faster
			}
			return fmt.Errorf("the daemon did not start (%w). %s", err, tail(first.Name()))
		case <-patience.C:
			return fmt.Errorf("the daemon was started and does not answer yet; its log may say why (%s)", k.dataDir)
		case <-look.C:
			if _, _, err := k.look(ctx); err == nil {
				return nil
			}
		}
	}
}

// tail is the end of what a daemon said when it started.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const enough = 1000 // bytes
	return strings.ToValidUTF8(strings.TrimSpace(string(b[max(0, len(b)-enough):])), "")
}
