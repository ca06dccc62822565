package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"corral/daemon/event"
)

// EventOptions choose what Events yields.
type EventOptions struct {
	After string   // the id after which to begin; "0": all that is held; empty: from now on
	Types []string // none: all
	// Broken is told when the connection has ended, before it is made again; nil: nobody is.
	Broken func(error)
}

const (
	eventsSilence = 45 * time.Second // without even a comment the connection is taken for dead
	eventsPause   = time.Second      // before coming back
	eventsMax     = 8 << 20          // bytes of one event
)

// Events yields what happens, as it happens. A connection that breaks is made again, and goes on after the last event; an
// event of type gap tells where that was not possible. It ends when ctx does, or with an error: when no daemon answers at
// the beginning, or when it refuses what was asked.
func (c *Client) Events(ctx context.Context, o EventOptions) iter.Seq2[event.Told, error] {
	return func(yield func(event.Told, error) bool) {
		f := following{c: c, o: o, last: o.After}
		for {
			err := f.follow(ctx, yield)
			if f.stopped || ctx.Err() != nil {
				return
			}
			refused := (*Error)(nil)
			if !f.begun || errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable {
				yield(event.Told{}, err)
				return
			}
			if o.Broken != nil && !f.told {
				f.told = true
				o.Broken(err)
			}
			select {
			case <-time.After(eventsPause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// following is a feed that is read over one connection after another.
type following struct {
	c       *Client
	o       EventOptions
	last    string // id of the last event
	begun   bool   // there has been a connection
	told    bool   // that it is broken
	stopped bool   // nobody wants more
}

// follow reads over one connection, until it ends.
func (f *following) follow(ctx context.Context, yield func(event.Told, error) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(eventsSilence, cancel)
	defer silence.Stop()
	q := url.Values{}
	if f.last != "" {
		q.Set("after", f.last)
	}
	if len(f.o.Types) > 0 {
		q.Set("types", strings.Join(f.o.Types, ","))
	}
	res, err := f.c.send(ctx, http.MethodGet, "/events?"+q.Encode(), nil, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f.begun, f.told = true, false
	var data []byte
	id := f.last
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, eventsMax)
	for lines.Scan() {
		silence.Reset(eventsSilence)
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value) // which counts once the whole event is there
		case "data":
			data = append(append(data, value...), '\n')
		case "":
			if len(lines.Bytes()) > 0 {
				break // a comment
			}
			if f.last = id; len(data) == 0 {
				break
			}
			var x event.Told
			if err := json.Unmarshal(data, &x); err != nil {
				return fmt.Errorf("read the feed: %w", err)
			}
			if data = data[:0]; !yield(x, nil) {
				f.stopped = true
				return nil
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the feed: %w", err)
	}
	return fmt.Errorf("read the feed: %w", io.ErrUnexpectedEOF)
}
