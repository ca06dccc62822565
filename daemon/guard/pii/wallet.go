package pii

import (
	"crypto/sha256"
	"math/big"
	"strings"

	"golang.org/x/crypto/sha3"
)

// wallet looks at a long word. All but Ethereum's addresses in one case have a check sum, which must be right.
func (s *scan) wallet(from, to int) bool {
	w := s.text[from:to]
	if from > 0 && (s.text[from-1] == '/' || s.text[from-1] == '+') && to < len(s.text) && (s.text[to] == '/' || s.text[to] == '+') || len(w) > 110 {
		return false // within base64
	}
	ok := false
	switch {
	case len(w) == 42 && (strings.HasPrefix(w, "0x") || strings.HasPrefix(w, "0X")):
		ok = ethereum(w[2:])
	case len(w) <= 35 && strings.IndexByte("123mnLMDAT9", w[0]) >= 0:
		s.work += 20 * len(w)
		ok = base58Check(w)
	default:
		s.work += len(w)
		ok = bech32(w)
	}
	if ok {
		s.add(from, to, "crypto_wallet")
	}
	return ok
}

// ethereum is 40 hex digits. Mixed case is a check sum: a letter is a capital where the hash of the address in small letters has a high digit
// (EIP-55). Addresses that no one has, such as all zeros, are none.
func ethereum(a string) bool {
	low := strings.ToLower(a)
	var count [256]int
	kinds := 0
	for i := range len(low) {
		if class[low[i]]&(digit|hexa) == 0 {
			return false
		}
		if count[low[i]]++; count[low[i]] == 1 {
			kinds++
		}
	}
	if kinds < 6 {
		return false
	}
	if a == low || a == strings.ToUpper(a) {
		return true
	}
	h := sha3.NewLegacyKeccak256()
	_, _ = h.Write([]byte(low))
	sum := h.Sum(nil)
	for i := range len(a) {
		nibble := sum[i/2] >> 4
		if i%2 == 1 {
			nibble = sum[i/2] & 15
		}
		if low[i] >= 'a' && (a[i] < 'a') != (nibble >= 8) {
			return false
		}
	}
	return true
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Check decodes an address as Bitcoin and its kin write them: a version, 20 bytes, and four of a double SHA-256.
func base58Check(w string) bool {
	n := new(big.Int)
	zeros := 0
	for i := range len(w) {
		v := strings.IndexByte(base58, w[i])
		if v < 0 {
			return false
		}
		if v == 0 && zeros == i {
			zeros++
		}
		n.Mul(n, big.NewInt(58))
		n.Add(n, big.NewInt(int64(v)))
	}
	raw := append(make([]byte, zeros), n.Bytes()...)
	if len(raw) != 25 {
		return false
	}
	switch raw[0] {
	case 0x00, 0x05, 0x6f, 0xc4, 0x30, 0x32, 0x3a, 0x1e, 0x16, 0x41: // Bitcoin and its test net, Litecoin, Dogecoin, TRON
	default:
		return false
	}
	once := sha256.Sum256(raw[:21])
	twice := sha256.Sum256(once[:])
	return string(twice[:4]) == string(raw[21:])
}

// bech32 is an address of a witness program (BIP 173 and BIP 350), and the same of Litecoin and Cardano.
func bech32(w string) bool {
	low := strings.ToLower(w)
	if low != w && strings.ToUpper(w) != w {
		return false
	}
	n := strings.LastIndexByte(low, '1')
	if n < 0 {
		return false
	}
	switch low[:n] {
	case "bc", "tb", "ltc", "addr":
	default:
		return false
	}
	sum := uint32(1)
	step := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range n {
		step(low[i] >> 5)
	}
	step(0)
	for i := range n {
		step(low[i] & 31)
	}
	for _, c := range []byte(low[n+1:]) {
		v := strings.IndexByte("qpzry9x8gf2tvdw0s3jn54khce6mua7l", c)
		if v < 0 {
			return false
		}
		step(byte(v))
	}
	return sum == 1 || sum == 0x2bc830a3
}
