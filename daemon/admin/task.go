package admin

import (
	"io"
	"time"

	"corral/daemon/event"
)

// tellEvery is how often the feed hears how far long work is.
const tellEvery = 250 * time.Millisecond

// task is long work that the feed hears of.
type task struct {
	o    *Options
	now  event.Progress
	told time.Time
}

// begin tells the feed that long work begins. total is 0 where it is not known; unit is entries or bytes.
func (o *Options) begin(name, unit string, total uint64) *task {
	t := &task{o: o, told: time.Now(), now: event.Progress{Task: name, ID: uint64(time.Now().UnixMicro()), State: "running", Unit: unit, Total: total}}
	o.Events.Publish(t.now)
	return t
}

// at tells how far it is.
func (t *task) at(done, total uint64) {
	t.now.Done, t.now.Total = done, total
	if time.Since(t.told) >= tellEvery {
		t.told = time.Now()
		t.o.Events.Publish(t.now)
	}
}

// end tells what became of it.
func (t *task) end(err error) {
	t.now.State = "done"
	if err != nil {
		t.now.State, t.now.Why = "failed", err.Error()
	}
	t.o.Events.Publish(t.now)
}

// writer counts what is written to w.
func (t *task) writer(w io.Writer) io.Writer { return &counted{t: t, w: w} }

// reader counts what is read from r.
func (t *task) reader(r io.Reader) io.Reader { return &counted{t: t, r: r} }

type counted struct {
	t *task
	w io.Writer
	r io.Reader
}

func (c *counted) Write(p []byte) (int, error) { n, err := c.w.Write(p); return c.count(n, err) }
func (c *counted) Read(p []byte) (int, error)  { n, err := c.r.Read(p); return c.count(n, err) }

func (c *counted) count(n int, err error) (int, error) {
	c.t.at(c.t.now.Done+uint64(n), c.t.now.Total)
	return n, err
}
