package usage

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"corral/store"
	"corral/store/ledger/record"
)

// Dimension is what a report breaks a sum down by.
type Dimension uint8

// The dimensions. Their numbers are on disk: append only. Day and Hour are not on disk: they are Total over time.
const (
	Total    Dimension = 0
	User     Dimension = 1
	Model    Dimension = 2
	Provider Dimension = 3
	App      Dimension = 4
	Status   Dimension = 5
	Caller   Dimension = 6
	Day      Dimension = 100
	Hour     Dimension = 101
)

const dimensions = 7 // on disk

// Dimensions lists the names of what a report can be broken down by.
func Dimensions() []string { return slices.Clone(dimensionNames[:]) }

var dimensionNames = [...]string{"total", "user", "model", "provider", "app", "status", "caller", "day", "hour"}

// ParseDimension finds a dimension by its name.
func ParseDimension(name string) (Dimension, bool) {
	i := slices.Index(dimensionNames[:], name)
	switch {
	case i < 0:
		return 0, false
	case i >= dimensions:
		return Day + Dimension(i-dimensions), true
	}
	return Dimension(i), true
}

func (d Dimension) String() string {
	switch {
	case d < dimensions:
		return dimensionNames[d]
	case d == Day || d == Hour:
		return dimensionNames[dimensions+int(d-Day)]
	}
	return "unknown"
}

const (
	root  = "ledger"
	hours = "hours"
	days  = "days"
)

const hourPerDay = 24

type key struct {
	day    bool
	period uint32 // hours or days since 1970
	dim    Dimension
	value  uint32
}

const keySize = 9

func (k key) bytes() []byte {
	b := make([]byte, 0, keySize)
	b = binary.BigEndian.AppendUint32(b, k.period)
	b = append(b, byte(k.dim))
	return binary.BigEndian.AppendUint32(b, k.value)
}

func parseKey(b []byte, day bool) (key, bool) {
	if len(b) != keySize {
		return key{}, false
	}
	return key{day, binary.BigEndian.Uint32(b), Dimension(b[4]), binary.BigEndian.Uint32(b[5:])}, true
}

// HourOf is the number of the hour, from 1970 on. Times outside the range that fits count as the range's end.
func HourOf(t time.Time) uint32 {
	return uint32(min(max(0, t.Unix()/3600), 1<<32-1))
}

// Ensure makes the buckets.
func Ensure(tx *store.Tx) error {
	for _, name := range []string{hours, days} {
		if _, err := tx.Ensure(root, name); err != nil {
			return err
		}
	}
	return nil
}

// cacheSums bounds the sums kept in memory.
const cacheSums = 4096

// Adder adds calls to the sums on disk, a batch at a time. It belongs to one goroutine.
type Adder struct {
	cache map[key]Sum    // as on disk
	like  map[alike]*Sum // the batch, calls that differ in no dimension together
	last  alike          // of like: calls come in runs
	into  *Sum
	batch map[key]*Sum // the batch, as it is written
	free  []*Sum

	minutes  map[uint32]*Minute // the batch
	minute   *Minute            // of minutes, the one that the last call was in; nil: none
	minuteAt uint32
	spare    []*Minute
	was      Minute // on disk, while it is added to
}

type alike struct {
	hour   uint32
	values [dimensions]uint32
}

// NewAdder starts without any sum in memory.
func NewAdder() *Adder {
	return &Adder{cache: map[key]Sum{}, like: map[alike]*Sum{}, batch: map[key]*Sum{}, minutes: map[uint32]*Minute{}}
}

// Add takes a call into the batch.
func (a *Adder) Add(r *record.Row) {
	if r.Kind != record.Call {
		return
	}
	s := Of(r)
	k := alike{HourOf(r.Time), [dimensions]uint32{0, r.User, r.Model, r.Provider, r.App, uint32(r.Status), r.Caller}}
	if a.into == nil || k != a.last {
		into := a.like[k]
		if into == nil {
			into = a.fresh()
			a.like[k] = into
		}
		a.last, a.into = k, into
	}
	a.into.Add(&s)
	a.take(r, &s)
}

func (a *Adder) fresh() *Sum {
	n := len(a.free)
	if n == 0 {
		return new(Sum)
	}
	s := a.free[n-1]
	a.free = a.free[:n-1]
	*s = Sum{}
	return s
}

// spread breaks the batch down by hour, day and dimension.
func (a *Adder) spread() {
	for k, s := range a.like {
		for dim, value := range k.values {
			a.add(key{false, k.hour, Dimension(dim), value}, s)
			a.add(key{true, k.hour / hourPerDay, Dimension(dim), value}, s)
		}
	}
}

func (a *Adder) add(k key, s *Sum) {
	into := a.batch[k]
	if into == nil {
		into = a.fresh()
		a.batch[k] = into
	}
	into.Add(s)
}

// Write puts the batch's sums into the transaction. After the commit, Done or Undo must follow.
func (a *Adder) Write(tx *store.Tx) error {
	if len(a.like) == 0 {
		return nil
	}
	if err := a.writeMinutes(tx); err != nil {
		return err
	}
	a.spread()
	keys := make([]key, 0, len(a.batch))
	for k := range a.batch {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y key) int {
		if x.day != y.day {
			if x.day {
				return 1
			}
			return -1
		}
		return bytes.Compare(x.bytes(), y.bytes())
	})
	buckets := [2]*store.Bucket{tx.Bucket(root, hours), tx.Bucket(root, days)}
	space := make([]byte, 0, len(keys)*64)
	for _, k := range keys {
		b := buckets[0]
		if k.day {
			b = buckets[1]
		}
		name := k.bytes()
		sum, ok := a.cache[k]
		if !ok {
			if raw := b.Get(name); raw != nil {
				var err error
				if sum, err = parseSum(raw); err != nil {
					return err
				}
			}
		}
		delta := a.batch[k]
		sum.Add(delta)
		*delta = sum // Done takes it over
		from := len(space)
		space = sum.append(space)
		if err := b.Put(name, space[from:len(space):len(space)]); err != nil {
			return err
		}
	}
	return nil
}

// Done is called when the transaction is on disk.
func (a *Adder) Done() {
	if len(a.cache) > cacheSums {
		clear(a.cache)
	}
	for k, s := range a.batch {
		a.cache[k] = *s
	}
	a.Undo()
}

// Undo forgets the batch; what is to be written again is added again. Sums in memory are those on disk before it.
func (a *Adder) Undo() {
	for _, s := range a.batch {
		a.free = append(a.free, s)
	}
	for _, s := range a.like {
		a.free = append(a.free, s)
	}
	clear(a.batch)
	clear(a.like)
	a.forgetMinutes()
	a.into = nil
}

// Forget drops the sums in memory, when the file may hold others.
func (a *Adder) Forget() { a.Undo(); clear(a.cache) }
