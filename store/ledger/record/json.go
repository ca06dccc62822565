package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// What a program writes as JSON, another one reads: the command line reads what the daemon's operator API shows.

// UnmarshalJSON reads the list of names.
func (f *Flags) UnmarshalJSON(b []byte) error {
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return err
	}
	*f = 0
	for _, name := range names {
		flag, ok := ParseFlag(name)
		if !ok {
			return fmt.Errorf("unknown flag %q", name)
		}
		*f |= flag
	}
	return nil
}

// UnmarshalText reads the kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	for i := range Operator + 1 {
		if i.String() == string(b) {
			*k = i
			return nil
		}
	}
	return fmt.Errorf("unknown kind %q", b)
}

// UnmarshalJSON reads content and commitment.
func (t *Text) UnmarshalJSON(b []byte) error {
	var in struct{ Content, Salt, SHA256 string }
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*t = Text{}
	if in.Content != "" {
		t.Content = []byte(in.Content)
	}
	for _, part := range []struct {
		text string
		to   []byte
	}{{in.Salt, t.Commitment.Salt[:]}, {in.SHA256, t.Commitment.Sum[:]}} {
		if part.text == "" {
			continue
		}
		if n, err := hex.Decode(part.to, []byte(part.text)); err != nil || n != len(part.to) {
			return fmt.Errorf("%q is no commitment", part.text)
		}
	}
	return nil
}

// UnmarshalJSON reads a number, or null.
func (m *Money) UnmarshalJSON(b []byte) error {
	*m = Money{}
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	m.Known = true
	return json.Unmarshal(b, &m.Nano)
}
