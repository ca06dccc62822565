package injection

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"corral/daemon/guard/injection/view"
)

// magic begins a weights file. The number rises when the features change their meaning: old weights would judge nonsense.
const magic = "corral injection weights 1\n"

// ErrWeights says that bytes are no weights of this version.
var ErrWeights = errors.New("injection: not weights for this version")

// Weights is a linear model over the buckets and the facts of package view.
type Weights struct {
	Bias  float32 // such that a probability of a half is the threshold
	Scale float32 // what one step of Table is worth
	Facts [view.Dense]float32
	Table []int8 // 1<<view.Bits of them
}

// size is that of a weights file, in bytes.
const size = len(magic) + 4*(2+view.Dense) + 1<<view.Bits + 4

// Encode gives the weights file: magic, the numbers as little-endian float32, the table, and the CRC-32 of all that.
func (w *Weights) Encode() []byte {
	b := make([]byte, 0, size)
	b = append(b, magic...)
	for _, f := range append([]float32{w.Bias, w.Scale}, w.Facts[:]...) {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	for _, q := range w.Table {
		b = append(b, byte(q))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// Decode reads a weights file. The error wraps ErrWeights.
func Decode(b []byte) (*Weights, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: they do not begin with %q", ErrWeights, magic)
	}
	if len(b) != size {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrWeights, len(b), size)
	}
	body := b[:len(b)-4]
	if got, want := crc32.ChecksumIEEE(body), binary.LittleEndian.Uint32(b[len(body):]); got != want {
		return nil, fmt.Errorf("%w: damaged, checksum %08x, want %08x", ErrWeights, got, want)
	}
	w := &Weights{Table: make([]int8, 1<<view.Bits)}
	body = body[len(magic):]
	for i := range 2 + view.Dense {
		f := math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
		if f != f || math.IsInf(float64(f), 0) {
			return nil, fmt.Errorf("%w: value %d is %v", ErrWeights, i, f)
		}
		switch i {
		case 0:
			w.Bias = f
		case 1:
			w.Scale = f
		default:
			w.Facts[i-2] = f
		}
	}
	for i, q := range body[4*(2+view.Dense):] {
		w.Table[i] = int8(q)
	}
	return w, nil
}
