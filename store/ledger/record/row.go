package record

import (
	"encoding/binary"
	"errors"
	"time"
)

// Version is the record layout that this package writes. It reads every version up to it.
const Version = 1

// ErrFormat is returned for bytes that are no record, or one of a newer version.
var ErrFormat = errors.New("not a record that this version can read")

// Row is the open part of a record: the usage row. Names stand in it as numbers that only the ledger's name table resolves.
type Row struct {
	Kind       Kind
	Time       time.Time // to the microsecond
	Flags      Flags
	Status     int
	User       uint32
	App        uint32
	Caller     uint32
	Model      uint32 // that answered, or was asked for when none did
	Provider   uint32
	RequestTag uint64 // keyed hash of the request id, to find it without an index
	Tokens     Tokens
	Cost       Money
	Baseline   Money
	Duration   time.Duration // to the microsecond, as FirstToken
	FirstToken time.Duration
	Mark       uint64  // events: the sequence number they speak of
	Verdict    Verdict // not written
}

// Round makes the row what it is once written and read again. Sums are made of rows as they come, and verify adds up what was written:
// a first content within a microsecond counted in the one and not in the other, and a sound ledger looked tampered with.
func (r *Row) Round() {
	r.Time = r.Time.Truncate(time.Microsecond)
	r.Status = int(uint16(r.Status))
	r.Duration = max(0, r.Duration).Truncate(time.Microsecond)
	r.FirstToken = max(0, r.FirstToken).Truncate(time.Microsecond)
}

// appendRow writes version, kind and row. Fixed fields come first so that a filter can skip most rows after 30 bytes.
func appendRow(b []byte, r *Row) []byte {
	b = append(b, Version, byte(r.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Flags))
	b = binary.BigEndian.AppendUint64(b, r.RequestTag)
	for _, n := range [...]uint64{
		uint64(uint16(r.Status)), uint64(r.User), uint64(r.App), uint64(r.Caller), uint64(r.Model), uint64(r.Provider),
		uint64(max(0, r.Duration.Microseconds())), uint64(max(0, r.FirstToken.Microseconds())), r.Mark,
	} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range [...]int64{r.Tokens.Input, r.Tokens.Output, r.Tokens.CachedInput, r.Tokens.Reasoning} {
		b = binary.AppendVarint(b, n)
	}
	return appendMoney(appendMoney(b, r.Cost), r.Baseline)
}

func appendMoney(b []byte, m Money) []byte {
	if !m.Known {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), m.Nano)
}

// ParseRow reads the open part and returns the rest of the record.
func ParseRow(b []byte) (Row, []byte, error) {
	var r Row
	if len(b) < 22 || b[0] == 0 || b[0] > Version {
		return r, nil, ErrFormat
	}
	r.Kind = Kind(b[1])
	r.Time = time.UnixMicro(int64(binary.BigEndian.Uint64(b[2:]))).UTC()
	r.Flags = Flags(binary.BigEndian.Uint32(b[10:]))
	r.RequestTag = binary.BigEndian.Uint64(b[14:])
	d := decoder{b: b[22:]}
	r.Status = int(d.uvarint())
	r.User, r.App, r.Caller = uint32(d.uvarint()), uint32(d.uvarint()), uint32(d.uvarint())
	r.Model, r.Provider = uint32(d.uvarint()), uint32(d.uvarint())
	r.Duration = time.Duration(d.uvarint()) * time.Microsecond
	r.FirstToken = time.Duration(d.uvarint()) * time.Microsecond
	r.Mark = d.uvarint()
	r.Tokens = Tokens{Input: d.varint(), Output: d.varint(), CachedInput: d.varint(), Reasoning: d.varint(), Estimated: r.Flags&Estimated != 0}
	r.Cost, r.Baseline = d.money(), d.money()
	if d.bad {
		return r, nil, ErrFormat
	}
	return r, d.b, nil
}

// decoder reads numbers and remembers that one was missing.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) money() Money {
	if known := d.bytes(1); len(known) == 1 && known[0] == 1 {
		return Money{Nano: d.varint(), Known: true}
	}
	return Money{}
}

func (d *decoder) bytes(n uint64) []byte {
	if uint64(len(d.b)) < n {
		d.bad, d.b = true, nil
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}
