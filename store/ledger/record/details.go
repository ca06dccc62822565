package record

import (
	"encoding/binary"
	"time"
)

// The details are a list of tag, length, value. Empty fields are left out. Tags are on disk: append only.
const (
	tagRequestID = iota + 1
	tagTraceID
	tagCaller
	tagUser
	tagApp
	tagPeer
	tagDialect
	tagOperation
	tagModelAsked
	tagModelAnswered
	tagModelDigest
	tagProvider
	tagRoute
	tagRelease
	tagErrorCode
	tagPolicy
	tagLeft
	tagNote
	tagPrompt // salt and sum
	tagAnswer
	tagQueued // nanoseconds; and the two that the row rounds
	tagDuration
	tagFirstToken
	tagTime
	tagAttempts
	tagFinding // kind, action, count; repeated
)

// strings pairs tags with the fields they hold, for both directions.
func (e *Entry) strings() [18]struct {
	tag   byte
	field *string
} {
	return [18]struct {
		tag   byte
		field *string
	}{
		{tagRequestID, &e.RequestID}, {tagTraceID, &e.TraceID}, {tagCaller, &e.Caller}, {tagUser, &e.User}, {tagApp, &e.App},
		{tagPeer, &e.Peer}, {tagDialect, &e.Dialect}, {tagOperation, &e.Operation}, {tagModelAsked, &e.ModelAsked},
		{tagModelAnswered, &e.ModelAnswered}, {tagModelDigest, &e.ModelDigest}, {tagProvider, &e.Provider}, {tagRoute, &e.Route},
		{tagRelease, &e.Release}, {tagErrorCode, &e.ErrorCode}, {tagPolicy, &e.Policy}, {tagLeft, &e.Left}, {tagNote, &e.Note},
	}
}

func appendDetails(b []byte, e *Entry) []byte {
	for _, s := range e.strings() {
		if *s.field == "" {
			continue
		}
		b = append(b, s.tag)
		b = binary.AppendUvarint(b, uint64(len(*s.field)))
		b = append(b, *s.field...)
	}
	for _, c := range [...]struct {
		tag byte
		c   *Commitment
	}{{tagPrompt, &e.Prompt.Commitment}, {tagAnswer, &e.Answer.Commitment}} {
		if (*c.c != Commitment{}) {
			b = append(b, c.tag, byte(len(c.c.Salt)+len(c.c.Sum)))
			b = append(append(b, c.c.Salt[:]...), c.c.Sum[:]...)
		}
	}
	for _, n := range [...]struct {
		tag byte
		n   int64
	}{
		{tagTime, e.Time.UnixNano()}, {tagDuration, int64(e.Duration)}, {tagFirstToken, int64(e.FirstToken)},
		{tagQueued, int64(e.Queued)}, {tagAttempts, int64(e.Attempts)},
	} {
		if n.n != 0 {
			b = append(b, n.tag, 8)
			b = binary.BigEndian.AppendUint64(b, uint64(n.n))
		}
	}
	for _, f := range e.Findings {
		b = append(b, tagFinding)
		size := uvarintLen(len(f.Kind)) + len(f.Kind) + uvarintLen(len(f.Action)) + len(f.Action) + 8
		b = binary.AppendUvarint(b, uint64(size))
		for _, s := range [...]string{f.Kind, f.Action} {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
		b = binary.BigEndian.AppendUint64(b, uint64(f.Count))
	}
	return b
}

func uvarintLen(n int) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

func parseDetails(b []byte, e *Entry) error {
	d := decoder{b: b}
	fields := map[byte]*string{}
	for _, s := range e.strings() {
		fields[s.tag] = s.field
	}
	for len(d.b) > 0 && !d.bad {
		tag := d.bytes(1)
		v := d.bytes(d.uvarint())
		if d.bad {
			break
		}
		if field := fields[tag[0]]; field != nil {
			*field = string(v)
			continue
		}
		switch tag[0] {
		case tagPrompt:
			d.bad = !parseCommitment(v, &e.Prompt.Commitment)
		case tagAnswer:
			d.bad = !parseCommitment(v, &e.Answer.Commitment)
		case tagTime, tagDuration, tagFirstToken, tagQueued, tagAttempts:
			if len(v) != 8 {
				d.bad = true
				break
			}
			n := int64(binary.BigEndian.Uint64(v))
			switch tag[0] {
			case tagTime:
				e.Time = time.Unix(0, n).UTC()
			case tagDuration:
				e.Duration = time.Duration(n)
			case tagFirstToken:
				e.FirstToken = time.Duration(n)
			case tagQueued:
				e.Queued = time.Duration(n)
			case tagAttempts:
				e.Attempts = int(n)
			}
		case tagFinding:
			f := decoder{b: v}
			found := Finding{Kind: string(f.bytes(f.uvarint())), Action: string(f.bytes(f.uvarint()))}
			if n := f.bytes(8); len(n) == 8 {
				found.Count = int(binary.BigEndian.Uint64(n))
			}
			d.bad = f.bad
			e.Findings = append(e.Findings, found)
		}
	}
	if d.bad {
		return ErrFormat
	}
	return nil
}

func parseCommitment(v []byte, c *Commitment) bool {
	if len(v) != len(c.Salt)+len(c.Sum) {
		return false
	}
	copy(c.Salt[:], v)
	copy(c.Sum[:], v[len(c.Salt):])
	return true
}
