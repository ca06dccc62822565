// Package event is the live feed: what happens in Corral, told to those who look while it happens. It is read at
// /control/v1/events (daemon/admin), by the page and by `corral events`.
//
// To tell of something new, add its type to types.go and publish it where it happens: the feed's filter, its description and
// the client have it then.
//
// The surprise: readers have no buffers of their own. The Bus keeps what was told last, and each reader has its place in
// that. One that is so slow that its place is gone is told so and let go. Whoever publishes waits for nobody, and pays the
// same for no reader and for a hundred.
package event

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Errors of Read and Next.
var (
	ErrID      = errors.New("this is no id of the feed; give the id of the last event read, or 0 for all that are still held")
	ErrType    = errors.New("there is no such type of events")
	ErrTooMany = errors.New("too many read the feed already")
	ErrDropped = errors.New("the reader was too slow") // the last of what Next gave says so in words
	ErrClosed  = errors.New("the feed has ended")
)

// Bounds of a Bus. What is kept of each store: so many events, and so many bytes, whichever is less.
const (
	MaxReaders = 256
	keepEvents = 4096
	keepBytes  = 4 << 20
	overhead   = 512 // bytes that an event takes beside its texts, at most
	Batch      = 256 // events that Next gives at once, if there are so many
)

// ID says where in the feed an event stands. Ids of one start of Corral count up; a later start has a greater Boot.
type ID struct {
	Boot, Seq uint64
}

func (id ID) String() string { return fmt.Sprintf("%016x-%d", id.Boot, id.Seq) }

// ParseID reads what String wrote.
func ParseID(s string) (id ID, err error) {
	boot, seq, ok := strings.Cut(s, "-")
	if !ok || len(boot) != 16 {
		return id, ErrID
	}
	if id.Boot, err = strconv.ParseUint(boot, 16, 64); err == nil {
		id.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return ID{}, ErrID
	}
	return id, nil
}

// Told is an event as readers get it.
type Told struct {
	ID    ID
	Time  time.Time
	Event Event
}

type told struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Time time.Time       `json:"time"`
	Data json.RawMessage `json:"data"`
}

// AppendJSON writes {"id", "type", "time", "data"}.
func (t Told) AppendJSON(b []byte) ([]byte, error) {
	name, err := json.Marshal(t.Event.Type())
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(t.Event)
	if err != nil {
		return nil, err
	}
	b = append(append(append(b, `{"id":"`...), t.ID.String()...), `","type":`...)
	b = append(append(b, name...), `,"time":"`...)
	b = append(t.Time.UTC().AppendFormat(b, time.RFC3339Nano), `","data":`...)
	return append(append(b, data...), '}'), nil
}

// MarshalJSON is AppendJSON for encoding/json, which looks through the result once more.
func (t Told) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil) }

// UnmarshalJSON reads what MarshalJSON wrote. An event of a type that this program does not know is an Unknown.
func (t *Told) UnmarshalJSON(b []byte) error {
	var in told
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	id, err := ParseID(in.ID)
	if err != nil {
		return err
	}
	*t = Told{ID: id, Time: in.Time, Event: Unknown{in.Type, in.Data}}
	if known := typed(in.Type); known != nil {
		v := reflect.New(known)
		if err := json.Unmarshal(in.Data, v.Interface()); err != nil {
			return fmt.Errorf("an event of type %s: %w", in.Type, err)
		}
		t.Event = v.Elem().Interface().(Event)
	}
	return nil
}

// Bus is what events are published on.
type Bus struct {
	boot    uint64
	closing context.Context
	close   context.CancelFunc

	mu      sync.Mutex // guards what follows; held for moments only
	seq     uint64     // of the newest event
	stores  [2]store   // of what is frequent, and of the rest
	readers int
	dropped uint64 // readers that were too slow, since the start
}

// store keeps the newest events of one kind, in the order of their numbers.
type store struct {
	ring     []Told // of keepEvents places, once it is used
	first, n int
	bytes    int
	lost     uint64        // the number of the newest one that had to go
	changed  chan struct{} // closed with the next event; nil: nobody waits for one
}

// New makes a Bus for a start of Corral at the time now.
func New(now time.Time) *Bus {
	var chance [2]byte
	rand.Read(chance[:])
	b := &Bus{boot: uint64(now.UnixMilli())<<16 | uint64(binary.BigEndian.Uint16(chance[:]))}
	b.closing, b.close = context.WithCancel(context.Background())
	return b
}

// Close ends the feed for its readers. What is published later is not told.
func (b *Bus) Close() { b.close() }

// Publish tells e. It waits for nobody.
func (b *Bus) Publish(e Event) {
	now := time.Now()
	b.mu.Lock()
	b.seq++
	s := &b.stores[storeOf(e)]
	s.add(Told{ID{b.boot, b.seq}, now, e})
	wake := s.changed
	s.changed = nil
	b.mu.Unlock()
	if wake != nil {
		close(wake)
	}
}

func storeOf(e Event) int {
	if frequent(e) {
		return 0
	}
	return 1
}

func (s *store) add(t Told) {
	if s.ring == nil {
		s.ring = make([]Told, keepEvents)
	}
	s.bytes += t.Event.size() + overhead
	for s.n == len(s.ring) || s.n > 0 && s.bytes > keepBytes {
		old := &s.ring[s.first]
		s.bytes -= old.Event.size() + overhead
		s.lost = old.ID.Seq
		*old = Told{}
		s.first = (s.first + 1) % len(s.ring)
		s.n--
	}
	s.ring[(s.first+s.n)%len(s.ring)] = t
	s.n++
}

func (s *store) at(i int) *Told { return &s.ring[(s.first+i)%len(s.ring)] }

// after is the index of the first event whose number is greater than seq.
func (s *store) after(seq uint64) int {
	low, high := 0, s.n
	for low < high {
		if mid := (low + high) / 2; s.at(mid).ID.Seq > seq {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// Listening reports whether anybody reads the feed.
func (b *Bus) Listening() bool {
	readers, _ := b.Readers()
	return readers > 0
}

// Readers is how many read the feed, and how many were too slow since the start.
func (b *Bus) Readers() (now int, dropped uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.readers, b.dropped
}

// Reader is one reader's place in the feed. It is used by one goroutine at a time.
type Reader struct {
	bus   *Bus
	types map[string]bool // nil: all
	wants [2]bool         // whether anything of each store is among types
	after [2]uint64       // the number of what was read last of each store
	gap   *Told           // is told first
	given []Told
}

// Read begins to read after the event with the id after: what comes from now on if it is empty, all that is held if it is
// "0". Only types are told; none: all. The caller closes the Reader. The errors are ErrID, ErrType and ErrTooMany.
func (b *Bus) Read(after string, types ...string) (*Reader, error) {
	r := &Reader{bus: b, wants: [2]bool{len(types) == 0, len(types) == 0}}
	for _, name := range types {
		t := typed(name)
		if t == nil {
			return nil, fmt.Errorf("%w as %q; there are %s", ErrType, name, strings.Join(Names(), ", "))
		}
		if r.types == nil {
			r.types = map[string]bool{}
		}
		r.types[name] = true
		r.wants[storeOf(reflect.Zero(t).Interface().(Event))] = true
	}
	var from ID
	if after != "" && after != "0" {
		var err error
		if from, err = ParseID(after); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers >= MaxReaders {
		return nil, ErrTooMany
	}
	b.readers++
	switch {
	case after == "":
		r.after = [2]uint64{b.seq, b.seq}
	case after == "0":
		r.after = [2]uint64{b.stores[0].lost, b.stores[1].lost}
	case from.Boot != b.boot || from.Seq > b.seq:
		r.after = [2]uint64{b.stores[0].lost, b.stores[1].lost}
		r.gap = r.mark(0, Gap{Why: "restarted", Do: "Look at the state anew: not all that happened before and after the start is told."})
	default:
		r.after = [2]uint64{from.Seq, from.Seq}
		if n := r.missed(); n > 0 {
			r.gap = r.mark(from.Seq, Gap{Why: "too_late", Missed: n, Do: "Look at the state anew. The calls stand in the ledger."})
		}
	}
	return r, nil
}

// Names are the names of all types.
func Names() (names []string) {
	for _, e := range Types() {
		names = append(names, e.Type())
	}
	return names
}

// Closing ends when the feed does.
func (r *Reader) Closing() context.Context { return r.bus.closing }

// Position is the id after which the reader reads on.
func (r *Reader) Position() ID { return ID{r.bus.boot, min(r.after[0], r.after[1])} }

// Close gives the reader's place to others.
func (r *Reader) Close() {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	r.bus.readers--
}

// Cut counts the reader among those that were too slow: it took nothing for so long that not even the mark would have reached it. If
// it comes back, a Gap tells it what it missed.
func (r *Reader) Cut() {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	r.bus.dropped++
}

// Next waits for events and gives those that there are, oldest first, Batch of them at most; they are valid until the next
// call. The errors are ErrDropped, with which comes one last event that says so; ErrClosed, when all is read; and the end of
// ctx.
func (r *Reader) Next(ctx context.Context) ([]Told, error) {
	for {
		list, wait, err := r.now()
		if len(list) > 0 || err != nil {
			return list, err
		}
		select {
		case <-wait[0]:
		case <-wait[1]:
		case <-r.bus.closing.Done():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// now gives what there is, or what to wait for.
func (r *Reader) now() (list []Told, wait [2]chan struct{}, err error) {
	b := r.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	r.given = r.given[:0]
	if r.gap != nil {
		r.given, r.gap = append(r.given, *r.gap), nil
		return r.given, wait, nil
	}
	at := r.Position().Seq
	if n := r.missed(); n > 0 {
		b.dropped++
		r.given = append(r.given, *r.mark(at, Dropped{Missed: n, Do: "Come back with this id as Last-Event-ID, read faster, or ask for fewer types."}))
		return r.given, wait, ErrDropped
	}
	if r.take(); len(r.given) > 0 {
		return r.given, wait, nil
	}
	if b.closing.Err() != nil {
		return nil, wait, ErrClosed
	}
	for i := range b.stores {
		if s := &b.stores[i]; r.wants[i] {
			if s.changed == nil {
				s.changed = make(chan struct{})
			}
			wait[i] = s.changed
		}
	}
	return nil, wait, nil
}

// take reads on in both stores, in the order of the numbers.
func (r *Reader) take() {
	b := r.bus
	var at [2]int
	for i := range b.stores {
		at[i] = b.stores[i].after(r.after[i])
	}
	for len(r.given) < Batch {
		next, from := (*Told)(nil), 0
		for i := range b.stores {
			if s := &b.stores[i]; r.wants[i] && at[i] < s.n && (next == nil || s.at(at[i]).ID.Seq < next.ID.Seq) {
				next, from = s.at(at[i]), i
			}
		}
		if next == nil {
			r.after = [2]uint64{b.seq, b.seq}
			return
		}
		at[from]++
		for i := range r.after {
			r.after[i] = max(r.after[i], next.ID.Seq)
		}
		if r.types == nil || r.types[next.Event.Type()] {
			r.given = append(r.given, *next)
		}
	}
}

// missed counts what is no longer held of what the reader has not read, where it wanted some of it, and moves the reader on
// to what it can have.
func (r *Reader) missed() uint64 {
	b := r.bus
	late, seen := false, min(r.after[0], r.after[1])
	for i := range b.stores {
		late = late || r.wants[i] && b.stores[i].lost > r.after[i]
	}
	if !late {
		return 0
	}
	held := 0
	for i := range b.stores {
		s := &b.stores[i]
		held += s.n - s.after(seen)
		r.after[i] = max(r.after[i], s.lost)
	}
	return b.seq - seen - uint64(held)
}

func (r *Reader) mark(seq uint64, e Event) *Told {
	return &Told{ID{r.bus.boot, seq}, time.Now(), e}
}
