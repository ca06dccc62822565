package tinygen

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A minimal GGUF v3 writer: metadata in the given order, f32/f16 tensors, 32-byte alignment.
type kv struct {
	key string
	val any
}

type tensor struct {
	name string
	dims []uint64 // ggml order: dims[0] is the row length
	f16  bool
	data []float32
}

const align = 32

type cw struct {
	w io.Writer
	n int64
}

func (c *cw) Write(p []byte) (int, error) { n, err := c.w.Write(p); c.n += int64(n); return n, err }

func writeGGUF(out io.Writer, kvs []kv, ts []tensor) (int64, error) {
	bw := bufio.NewWriterSize(out, 1<<20)
	w := &cw{w: bw}
	le := binary.LittleEndian
	put := func(v any) { binary.Write(w, le, v) }
	str := func(s string) { put(uint64(len(s))); io.WriteString(w, s) }
	io.WriteString(w, "GGUF")
	put(uint32(3))
	put(uint64(len(ts)))
	put(uint64(len(kvs)))
	for _, e := range kvs {
		str(e.key)
		switch v := e.val.(type) {
		case uint32:
			put(uint32(4))
			put(v)
		case int32:
			put(uint32(5))
			put(v)
		case float32:
			put(uint32(6))
			put(v)
		case bool:
			put(uint32(7))
			put(v)
		case string:
			put(uint32(8))
			str(v)
		case uint64:
			put(uint32(10))
			put(v)
		case []string:
			put(uint32(9))
			put(uint32(8))
			put(uint64(len(v)))
			for _, s := range v {
				str(s)
			}
		case []float32:
			put(uint32(9))
			put(uint32(6))
			put(uint64(len(v)))
			put(v)
		case []int32:
			put(uint32(9))
			put(uint32(5))
			put(uint64(len(v)))
			put(v)
		default:
			return w.n, fmt.Errorf("kv %s: %T", e.key, e.val)
		}
	}
	var off uint64
	size := func(t tensor) uint64 {
		n := uint64(1)
		for _, d := range t.dims {
			n *= d
		}
		if t.f16 {
			return n * 2
		}
		return n * 4
	}
	for _, t := range ts {
		str(t.name)
		put(uint32(len(t.dims)))
		put(t.dims)
		typ := uint32(0)
		if t.f16 {
			typ = 1
		}
		put(typ)
		put(off)
		off += (size(t) + align - 1) / align * align
	}
	pad := func() {
		if r := w.n % align; r != 0 {
			w.Write(make([]byte, align-r))
		}
	}
	pad()
	for _, t := range ts {
		n := int(size(t)) / 4
		if t.f16 {
			n = int(size(t)) / 2
		}
		if n != len(t.data) {
			return w.n, fmt.Errorf("tensor %s: %d values, want %d", t.name, len(t.data), n)
		}
		if t.f16 {
			b := make([]byte, 2*n)
			for i, x := range t.data {
				le.PutUint16(b[2*i:], f16(x))
			}
			w.Write(b)
		} else {
			b := make([]byte, 4*n)
			for i, x := range t.data {
				le.PutUint32(b[4*i:], math.Float32bits(x))
			}
			w.Write(b)
		}
		pad()
	}
	return w.n, bw.Flush()
}

func f16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b>>16) & 0x8000
	exp := int((b>>23)&0xff) - 127 + 15
	man := b & 0x7fffff
	switch {
	case exp <= 0:
		return sign // flush tiny values to zero
	case exp >= 31:
		return sign | 0x7c00
	}
	h := sign | uint16(exp)<<10 | uint16(man>>13)
	if man&0x1000 != 0 {
		h++
	}
	return h
}

// deterministic noise, independent of the Go version's math/rand
type rng uint64

func (r *rng) next() float32 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float32(z>>40)/float32(1<<23) - 1
}
