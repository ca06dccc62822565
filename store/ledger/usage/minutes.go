package usage

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"corral/store"
	"corral/store/ledger/record"
)

// minutes holds, under the minute's number from 1970 on (4 bytes), what its calls said of the service.
const minutes = "minutes"

// KeptMinutes is how far back minutes are kept: the longest window of a service level, and a day to spare.
const KeptMinutes = 31 * 24 * 60

// pruned is how many minutes that are too old one commit removes, so that none of them takes long.
const pruned = 4

// Minute is what the calls that ended within one minute say of the service. Money is in billionths of a US dollar and that of
// all calls; the counts are of calls that were judged (record.Verdict).
type Minute struct {
	Served, Faulty, Unanswered, Limited uint64
	Cost, Baseline, Saved               int64
	FirstServed, FirstFailed            uint64 // milliseconds of the minute that had passed, and 1; 0: there was none
	Latency                             Latency
}

// MinuteOf is the number of the minute, from 1970 on. Times outside the range that fits count as the range's end.
func MinuteOf(t time.Time) uint32 { return uint32(min(max(0, t.Unix()/60), math.MaxUint32)) }

// Failed is how many calls got no whole answer from a model, through no fault of their callers.
func (m *Minute) Failed() uint64 { return addUint(m.Faulty, m.Unanswered) }

// take adds a call that ended so many milliseconds after the minute began.
func (m *Minute) take(r *record.Row, s *Sum, after uint64) {
	switch r.Verdict {
	case record.Served:
		m.Served++
		earlier(&m.FirstServed, after+1)
		latency := r.Duration
		if r.Flags&record.Streamed != 0 {
			latency = r.FirstToken
		}
		m.Latency.Add(latency)
	case record.Faulty:
		m.Faulty++
		earlier(&m.FirstFailed, after+1)
	case record.Unanswered:
		m.Unanswered++
		earlier(&m.FirstFailed, after+1)
	case record.Limited:
		m.Limited++
	}
	m.Cost, m.Baseline, m.Saved = addInt(m.Cost, s.Cost), addInt(m.Baseline, s.Baseline), addInt(m.Saved, s.Saved)
}

func earlier(at *uint64, ms uint64) {
	if ms > 0 && (*at == 0 || ms < *at) {
		*at = ms
	}
}

// Add adds what another batch of calls says of the same minute.
func (m *Minute) Add(o *Minute) {
	mine, theirs := m.counts(), o.counts()
	for i, n := range theirs {
		*mine[i] = addUint(*mine[i], *n)
	}
	m.Cost, m.Baseline, m.Saved = addInt(m.Cost, o.Cost), addInt(m.Baseline, o.Baseline), addInt(m.Saved, o.Saved)
	earlier(&m.FirstServed, o.FirstServed)
	earlier(&m.FirstFailed, o.FirstFailed)
	m.Latency.Merge(&o.Latency)
}

func (m *Minute) counts() [4]*uint64 {
	return [4]*uint64{&m.Served, &m.Faulty, &m.Unanswered, &m.Limited}
}

// append writes the counts, the moments and the amounts, then the buckets that hold something: how many, and for each the
// distance to the one before and its count. What is added later comes after that; readers leave it alone.
func (m *Minute) append(b []byte) []byte {
	for _, n := range m.counts() {
		b = binary.AppendUvarint(b, *n)
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, m.FirstServed), m.FirstFailed)
	for _, n := range [...]int64{m.Cost, m.Baseline, m.Saved} {
		b = binary.AppendVarint(b, n)
	}
	used := uint64(0)
	for _, n := range m.Latency.counts {
		if n > 0 {
			used++
		}
	}
	b = binary.AppendUvarint(b, used)
	last := 0
	for i, n := range m.Latency.counts {
		if n > 0 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i-last)), n)
			last = i
		}
	}
	return b
}

func parseMinute(b []byte, m *Minute) error {
	*m = Minute{}
	good := true
	uvarint := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			good = false
			return 0
		}
		b = b[size:]
		return n
	}
	for _, n := range m.counts() {
		*n = uvarint()
	}
	m.FirstServed, m.FirstFailed = uvarint(), uvarint()
	for _, n := range [...]*int64{&m.Cost, &m.Baseline, &m.Saved} {
		v, size := binary.Varint(b)
		if size <= 0 {
			return errSum
		}
		*n, b = v, b[size:]
	}
	at := uint64(0)
	for used := uvarint(); used > 0 && good; used-- {
		step, n := uvarint(), uvarint()
		if step >= buckets || at+step >= buckets {
			return errSum
		}
		at += step
		m.Latency.counts[at] = n
	}
	if !good {
		return errSum
	}
	return nil
}

// Minutes visits what the minutes [from, to) say, in their order. What take is given is valid until it returns.
func Minutes(tx *store.Tx, from, to uint32, take func(minute uint32, m *Minute)) error {
	b := tx.Bucket(root, minutes)
	if b == nil {
		return nil
	}
	var m Minute
	c := b.Cursor()
	for k, v := c.Seek(minuteKey(from)); k != nil; k, v = c.Next() {
		if len(k) != 4 {
			return errSum
		}
		at := binary.BigEndian.Uint32(k)
		if at >= to {
			return nil
		}
		if err := parseMinute(v, &m); err != nil {
			return err
		}
		take(at, &m)
	}
	return nil
}

func minuteKey(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// take adds a call to the batch's minutes. A call counts where it ended: until then nobody knew how it would.
func (a *Adder) take(r *record.Row, s *Sum) {
	end := r.Time.Add(max(0, r.Duration))
	n := MinuteOf(end)
	if a.minute == nil || a.minuteAt != n {
		if a.minute = a.minutes[n]; a.minute == nil {
			a.minute = new(Minute)
			if free := len(a.spare); free > 0 {
				a.minute, a.spare = a.spare[free-1], a.spare[:free-1]
				*a.minute = Minute{}
			}
			a.minutes[n] = a.minute
		}
		a.minuteAt = n
	}
	a.minute.take(r, s, uint64(max(0, end.UnixMilli()-int64(n)*60_000)))
}

func (a *Adder) forgetMinutes() {
	for _, m := range a.minutes {
		if len(a.spare) < 4 { // a batch spans few minutes
			a.spare = append(a.spare, m)
		}
	}
	clear(a.minutes)
	a.minute = nil
}

// writeMinutes adds the batch's minutes to those on disk. A file of an older Corral has none.
func (a *Adder) writeMinutes(tx *store.Tx) error {
	b, err := tx.Ensure(root, minutes)
	if err != nil {
		return err
	}
	newest := uint32(0)
	for n, m := range a.minutes {
		newest = max(newest, n)
		k := minuteKey(n)
		if raw := b.Get(k); raw != nil {
			was := &a.was
			if err := parseMinute(raw, was); err != nil {
				return err
			}
			was.Add(m)
			m = was // the batch's own stays as it is: this commit may have to be done again
		}
		if err := b.Put(k, m.append(nil)); err != nil {
			return err
		}
	}
	for range pruned {
		k, _ := b.Cursor().First()
		if len(k) != 4 || int64(binary.BigEndian.Uint32(k)) >= int64(newest)-KeptMinutes {
			break
		}
		if err := b.Delete(append([]byte(nil), k...)); err != nil {
			return err
		}
	}
	return nil
}

// Latency is how long calls took, in buckets an eighth of an octave wide: what is read from it is at most LatencyError off.
// From 128 us to 71 minutes; what is outside counts at the end.
type Latency struct{ counts [buckets]uint64 }

// LatencyError is how far a time read from a Latency may be from the true one, as a part of that: half a bucket.
const LatencyError = 1.0 / 16

const (
	octave  = 3 // bits: 8 buckets
	lowest  = 7 // 2^7 us: what is shorter has a bucket of its own
	highest = 32
	buckets = 1 + (highest-lowest)<<octave
)

func bucketOf(us uint64) int {
	if us < 1<<lowest {
		return 0
	}
	o := bits.Len64(us) - 1
	if o >= highest {
		return buckets - 1
	}
	return 1 + (o-lowest)<<octave + int(us>>(o-octave)&(1<<octave-1))
}

// bounds are the least time in a bucket and the least in the next, in microseconds.
func bounds(i int) (from, to float64) {
	if i == 0 {
		return 0, 1 << lowest
	}
	o, sub := lowest+(i-1)>>octave, (i-1)&(1<<octave-1)
	width := math.Ldexp(1, o-octave)
	from = float64(1<<octave+sub) * width
	return from, from + width
}

// Add takes one call.
func (l *Latency) Add(d time.Duration) { l.counts[bucketOf(uint64(max(0, d.Microseconds())))]++ }

// Merge takes the calls of another.
func (l *Latency) Merge(o *Latency) {
	for i, n := range o.counts {
		l.counts[i] = addUint(l.counts[i], n)
	}
}

// Calls is how many there are.
func (l *Latency) Calls() (n uint64) {
	for _, c := range l.counts {
		n = addUint(n, c)
	}
	return n
}

// Quantile is the time that a share q of the calls did not exceed, to within LatencyError; false: there are no calls.
func (l *Latency) Quantile(q float64) (time.Duration, bool) {
	n := l.Calls()
	if n == 0 {
		return 0, false
	}
	rank, seen := uint64(math.Ceil(q*float64(n))), uint64(0)
	for i, c := range l.counts {
		if seen = addUint(seen, c); c > 0 && seen >= rank {
			from, to := bounds(i)
			return time.Duration((from + to) / 2 * 1e3), true
		}
	}
	return 0, false
}

// Above is how many calls took longer than limit. Of the bucket that limit falls into it takes the share above, as if the
// calls lay evenly in it.
func (l *Latency) Above(limit time.Duration) float64 {
	us := float64(limit) / 1e3
	above := 0.0
	for i, c := range l.counts {
		switch from, to := bounds(i); {
		case from >= us:
			above += float64(c)
		case to > us:
			above += float64(c) * (to - us) / (to - from)
		}
	}
	return above
}
