package treehead

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Anchor is a second place for heads: a ledger alone cannot see that its own tail was cut off. The better place is one that this
// machine can add to and not take from: another host's syslog, an HTTP service, a write-once disk.
type Anchor interface {
	// Name says it for a person.
	Name() string
	// Publish adds a signed head. It is called from one goroutine, with the newest head only when it fell behind.
	Publish(ctx context.Context, signed []byte) error
}

// Reader is an anchor that can be read back, for verify.
type Reader interface {
	// Signed returns all heads in the order in which they were published.
	Signed() ([][]byte, error)
}

// File is an anchor that appends to a file: a line of JSON for each head.
type File struct{ Path string }

type line struct {
	Note string `json:"note"`
}

// Name is the path.
func (f File) Name() string { return "file " + f.Path }

// Publish appends and syncs. A line that a kill cut short before is ended first, so that it spoils no other.
func (f File) Publish(_ context.Context, signed []byte) error {
	raw, err := json.Marshal(line{Note: string(signed)})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(f.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open anchor: %w", err)
	}
	raw = append(raw, '\n')
	if info, err := out.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := out.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			raw = append([]byte{'\n'}, raw...)
		}
	}
	_, err = out.Write(raw)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write anchor: %w", err)
	}
	return nil
}

// Signed reads the file. Lines that a kill cut short are left out; a missing file holds no head.
func (f File) Signed() ([][]byte, error) {
	in, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open anchor: %w", err)
	}
	defer func() { _ = in.Close() }()
	return ReadSigned(in)
}

// ReadSigned reads heads as File writes them, from wherever they were collected.
func ReadSigned(r io.Reader) ([][]byte, error) {
	var list [][]byte
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 4096), 1<<20)
	for s.Scan() {
		var l line
		if json.Unmarshal(bytes.TrimSpace(s.Bytes()), &l) == nil && l.Note != "" {
			list = append(list, []byte(l.Note))
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read anchor: %w", err)
	}
	return list, nil
}
