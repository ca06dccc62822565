package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Duration is a time.Duration written like 200ms, 60s, 1h30m, 90d or 2w. A day is 24 hours.
type Duration time.Duration

// Bytes is a size in bytes written like 32MiB, 2GB or 1048576.
type Bytes int64

// Percent is a share of 100, written like 99.9%.
type Percent float64

// Share is either a percentage of the whole or a size: 5% or 2GiB. At most one of the two is set.
type Share struct {
	Percent Percent
	Bytes   Bytes
}

// UnmarshalText reads what Go's durations allow, and d and w. A number without a unit is refused, for people mean both
// seconds and milliseconds by it.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if isNumber(s) {
		if s == "0" {
			*d = 0
			return nil
		}
		return fmt.Errorf("%s has no unit; write %ss, %sm or %sh", show(s), s, s, s)
	}
	total, ok := time.Duration(0), s != ""
	for rest := s; ok && rest != ""; {
		digits := strings.TrimLeft(rest, "0123456789.")
		unit := strings.TrimLeft(digits, "nuµμmshdw")
		number, name := rest[:len(rest)-len(digits)], digits[:len(digits)-len(unit)]
		rest = unit
		times := time.Duration(1)
		switch name {
		case "d":
			name, times = "h", 24
		case "w":
			name, times = "h", 24*7
		}
		part, err := time.ParseDuration(number + name)
		if ok = err == nil && part <= (math.MaxInt64-total)/times; ok {
			total += part * times
		}
	}
	if !ok {
		return fmt.Errorf("%s is not a duration; write for example 200ms, 60s, 15m or 90d", show(s))
	}
	*d = Duration(total)
	return nil
}

// String is the shortest form that reads back as the same duration.
func (d Duration) String() string {
	t := time.Duration(d)
	if t >= day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// byteUnits go from the largest to the smallest; of two that fit, the first is written.
func byteUnits() []struct {
	name string
	size Bytes
} {
	return []struct {
		name string
		size Bytes
	}{
		{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1},
	}
}

// UnmarshalText reads a number with or without a unit; upper and lower case are the same.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	number, size := s, Bytes(1)
	for _, unit := range byteUnits() {
		if rest, ok := cutSuffixFold(s, unit.name); ok {
			number, size = rest, unit.size
			break
		}
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil && isNumber(number) && Bytes(whole) <= math.MaxInt64/size {
		*b = Bytes(whole) * size
		return nil
	}
	// 1.5GiB; a fraction of a byte is nobody's intention.
	if f, err := strconv.ParseFloat(number, 64); err == nil && isNumber(number) && f*float64(size) < 1<<53 && f*float64(size) == math.Trunc(f*float64(size)) {
		*b = Bytes(f * float64(size))
		return nil
	}
	return fmt.Errorf("%s is not a size; write for example 32MiB, 2GB or a number of bytes", show(s))
}

// String is the shortest form that reads back as the same size.
func (b Bytes) String() string {
	for _, unit := range byteUnits() {
		if unit.size > 1 && b >= unit.size && b%unit.size == 0 {
			return strconv.FormatInt(int64(b/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText wants the % sign, for 0.1 alone could also mean a tenth.
func (p *Percent) UnmarshalText(text []byte) error {
	s := string(text)
	number, ok := strings.CutSuffix(s, "%")
	if !ok && s == "0" {
		*p = 0
		return nil
	}
	if !ok && isNumber(s) {
		return fmt.Errorf("%s has no %%; write %s%%", show(s), s)
	}
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !isNumber(number) || f > 100 {
		return fmt.Errorf("%s is not a percentage; write for example 99.9%%", show(s))
	}
	*p = Percent(f)
	return nil
}

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a percentage or a size with its unit; 0 is neither of the two.
func (s *Share) UnmarshalText(text []byte) error {
	t := string(text)
	if t == "0" {
		*s = Share{}
		return nil
	}
	var read Share
	err := errors.New("no unit")
	switch {
	case strings.HasSuffix(t, "%"):
		err = read.Percent.UnmarshalText(text)
	case !isNumber(t):
		err = read.Bytes.UnmarshalText(text)
	}
	if err != nil {
		return fmt.Errorf("%s is neither a percentage nor a size; write for example 5%% or 2GiB", show(t))
	}
	*s = read
	return nil
}

func (s Share) String() string {
	if s.Percent != 0 {
		return s.Percent.String()
	}
	if size := s.Bytes.String(); s.Bytes == 0 || !isNumber(size) {
		return size
	}
	return s.Bytes.String() + "B"
}

// MarshalText is String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// isNumber says whether s is digits with at most one dot among them: no sign, no exponent, no hex, nothing that only
// strconv would take for a number.
func isNumber(s string) bool {
	dots, digits := 0, 0
	for _, r := range s {
		switch {
		case r == '.':
			dots++
		case '0' <= r && r <= '9':
			digits++
		default:
			return false
		}
	}
	return digits > 0 && dots <= 1
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if cut := len(s) - len(suffix); cut >= 0 && strings.EqualFold(s[cut:], suffix) {
		return s[:cut], true
	}
	return s, false
}
