// Package anchor is the second places that the ledger's signed heads are copied to: a file, an HTTP hook, or this machine's
// syslog. The better place is one that this machine can add to and not take from.
//
// A new kind of place is a case in Open, and a line in the config's check of audit.anchors. The surprise: a hook and syslog
// cannot be read back from here, so `corral audit verify` compares with what they hold only when it is given it (Read).
package anchor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"corral/daemon/outbound"
	"corral/store/ledger/treehead"
)

// patience bounds one delivery.
const patience = 5 * time.Second

// Open makes the anchor that stands in the config as place: a whole path, an http:// or https:// address, or "syslog".
// Of client, what proxies there are counts.
func Open(place string, client outbound.Options) (treehead.Anchor, error) {
	switch {
	case place == "syslog":
		return &Syslog{Sockets: []string{"/dev/log", "/var/run/syslog", "/var/run/log"}}, nil // as package log/syslog has them
	case strings.HasPrefix(place, "http://"), strings.HasPrefix(place, "https://"):
		u, err := url.Parse(place)
		if err != nil {
			return nil, fmt.Errorf("anchor: %w", err)
		}
		return &Hook{URL: u, Client: client}, nil
	case filepath.IsAbs(place):
		return treehead.File{Path: place}, nil
	}
	return nil, fmt.Errorf("anchor %q is neither a whole path nor an address", place)
}

// line is how a head stands in one line of a file or of syslog, as treehead.File writes it.
type line struct {
	Note string `json:"note"`
}

// origin is which ledger a signed head is of: its first line.
func origin(signed []byte) string {
	first, _, _ := bytes.Cut(signed, []byte("\n"))
	return string(first)
}

// Read finds the heads in what was collected at a second place: lines as a file or syslog has them (whatever stands before
// the JSON), or the notes themselves one after the other, as a hook was sent them. What is neither is passed over.
func Read(r io.Reader) ([][]byte, error) {
	var list [][]byte
	var note bytes.Buffer
	signed := false // the note has its signature, so the next line of text begins another
	end := func() {
		if signed {
			list = append(list, bytes.Clone(note.Bytes()))
		}
		note.Reset()
		signed = false
	}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 4096), 1<<20)
	for s.Scan() {
		text := bytes.TrimRight(s.Bytes(), "\r")
		if i := bytes.Index(text, []byte(`{"note":`)); i >= 0 {
			end()
			var l line
			if json.Unmarshal(bytes.TrimSpace(text[i:]), &l) == nil && l.Note != "" {
				list = append(list, []byte(l.Note))
			}
			continue
		}
		isSignature := bytes.HasPrefix(text, []byte("— "))
		if signed && !isSignature {
			end()
		}
		if note.Len() == 0 && len(text) == 0 {
			continue
		}
		note.Write(text)
		note.WriteByte('\n')
		signed = isSignature
	}
	end()
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	return list, nil
}
