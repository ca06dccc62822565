package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"corral/daemon/event"
)

// The feed's manners.
const (
	feedPatience = 10 * time.Second       // for a reader to take a piece; then its connection is closed
	feedPiece    = 64 << 10               // bytes that are sent at once
	feedGather   = 20 * time.Millisecond  // between two writings, so that a flood of events is not a flood of small writes
	feedAlive    = 15 * time.Second       // after so long without an event a comment is sent, which proxies take for life
	feedRetry    = 1000                   // milliseconds after which a browser comes back
	feedLast     = 500 * time.Millisecond // for what is still to be sent when Corral stops
)

type eventsInput struct {
	After string   `query:"after" doc:"the id after which to begin: those that are still held come first; 0: all that are; none: from now on"`
	Last  string   `header:"Last-Event-ID" doc:"as after, and goes before it: what a reader that comes back sends by itself"`
	Types []string `query:"types" doc:"only these, parted by commas; none: all"`
}

// events registers the live feed. huma's own package for such streams has ids that are numbers, which after a restart would
// mean other events, and no reader that is too slow.
func events(api huma.API, o Options) {
	patience := o.Patience
	if patience == 0 {
		patience = feedPatience
	}
	huma.Register(api, as(Read, huma.Operation{OperationID: "events", Method: http.MethodGet, Path: Base + "/events", Summary: "What happens, as it happens",
		Description: "Server-sent events. Each has an id, the name of its type, and as data one JSON object with id, type, time and the type's own data. " +
			"A reader that comes back with the id of its last event gets those that it missed, as far as they are still held; where they are not, an event of type gap says so. " +
			"A reader that is too slow gets an event of type dropped, and the stream ends.",
		Responses: map[string]*huma.Response{"200": {Description: "The feed, until the reader leaves or Corral stops",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: eventSchema(api.OpenAPI().Components.Schemas)}}}},
		Errors: []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}), func(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		after := in.Last
		if after == "" {
			after = in.After
		}
		r, err := o.Events.Read(after, in.Types...)
		switch {
		case errors.Is(err, event.ErrTooMany):
			return nil, huma.ErrorWithHeaders(huma.Error503ServiceUnavailable("the feed has "+strconv.Itoa(event.MaxReaders)+" readers already; end some of them"), http.Header{"Retry-After": {"5"}})
		case err != nil:
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer r.Close()
			req, w := humago.Unwrap(c)
			feed(req.Context(), w, r, patience)
		}}, nil
	})
}

// eventSchema describes the data of all types of events.
func eventSchema(r huma.Registry) *huma.Schema {
	all := &huma.Schema{Description: "The data of each event", Discriminator: &huma.Discriminator{PropertyName: "type", Mapping: map[string]string{}}}
	for _, e := range event.Types() {
		t := reflect.TypeOf(e)
		name := t.Name() + "Event"
		r.Map()[name] = &huma.Schema{Type: huma.TypeObject, Required: []string{"id", "type", "time", "data"}, Properties: map[string]*huma.Schema{
			"id":   {Type: huma.TypeString, Description: "for Last-Event-ID"},
			"type": {Type: huma.TypeString, Enum: []any{e.Type()}},
			"time": {Type: huma.TypeString, Format: "date-time"},
			"data": r.Schema(t, true, name),
		}}
		ref := "#/components/schemas/" + name
		all.OneOf = append(all.OneOf, &huma.Schema{Ref: ref})
		all.Discriminator.Mapping[e.Type()] = ref
	}
	return all
}

// feed sends what r gives until the reader has gone, was too slow, or the feed has ended.
func feed(ctx context.Context, w http.ResponseWriter, r *event.Reader, patience time.Duration) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would gather it
	h.Set("Connection", "close")     // its deadlines are not those of other answers
	out := &patient{w: w, rc: http.NewResponseController(w), patience: patience}
	defer context.AfterFunc(r.Closing(), out.hurry)()
	defer out.done()
	defer func() {
		if out.late() {
			r.Cut()
		}
	}()

	b := fmt.Appendf(nil, "retry: %d\nid: %s\n\n", feedRetry, r.Position())
	gather := time.NewTimer(0)
	defer gather.Stop()
	for more := false; ; {
		if out.send(b) != nil {
			return
		}
		b = b[:0]
		if !more {
			gather.Reset(feedGather)
			select {
			case <-gather.C:
			case <-ctx.Done():
				return
			}
		}
		list, err := within(ctx, r)
		more = len(list) == event.Batch
		for _, x := range list {
			b = fmt.Appendf(b, "event: %s\nid: %s\ndata: ", x.Event.Type(), x.ID)
			var bad error
			if b, bad = x.AppendJSON(b); bad != nil {
				return
			}
			if b = append(b, "\n\n"...); len(b) >= feedPiece {
				if out.send(b) != nil {
					return
				}
				b = b[:0]
			}
		}
		switch {
		case errors.Is(err, errAlive):
			b = append(b, ": nothing happened\n\n"...)
		case err != nil:
			out.send(b)
			return
		}
	}
}

var errAlive = errors.New("nothing happened")

// within is r.Next, with errAlive when nothing comes for a while.
func within(ctx context.Context, r *event.Reader) ([]event.Told, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, feedAlive, errAlive)
	defer cancel()
	return r.Next(ctx)
}

// patient gives a reader so long for each piece.
type patient struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	patience time.Duration

	mu   sync.Mutex // guards what follows, and the deadline
	last bool       // Corral stops: the deadline stays as it is
	over bool       // the answer is over, and its connection no longer ours
	slow bool       // the reader did not take a piece in time
}

func (p *patient) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	p.until(p.patience, false)
	_, err := p.w.Write(b)
	if err == nil {
		err = p.rc.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.mu.Lock()
		p.slow = true
		p.mu.Unlock()
	}
	return err
}

// late reports whether the answer ended because its reader did not take it. That Corral stops is no reader's fault.
func (p *patient) late() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow && !p.last
}

// until moves the deadline.
func (p *patient) until(d time.Duration, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last && !p.over {
		p.last = last
		p.rc.SetWriteDeadline(time.Now().Add(d))
	}
}

// hurry ends a writing that hangs, for Corral stops.
func (p *patient) hurry() { p.until(feedLast, true) }

func (p *patient) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}
