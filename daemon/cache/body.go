package cache

import (
	"io"

	"corral/daemon/llm"
)

// kept is an answer that is there already, as a reply's body.
type kept struct {
	left  []byte
	usage llm.Usage
}

func (b *kept) Next() ([]byte, error) {
	if len(b.left) == 0 {
		return nil, io.EOF
	}
	p := b.left
	b.left = nil
	return p, nil
}

func (b *kept) More() bool       { return len(b.left) > 0 }
func (b *kept) Last() bool       { return len(b.left) == 0 }
func (b *kept) Usage() llm.Usage { return b.usage }
func (b *kept) Close()           {}
