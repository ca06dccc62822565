package config

import (
	"encoding"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestUnitsAreReadAndWritten(t *testing.T) {
	for _, test := range []struct {
		text  string
		value any
		again string // how it is written; empty: the same
	}{
		{"200ms", Duration(200 * time.Millisecond), ""},
		{"60s", Duration(time.Minute), "1m"},
		{"1h30m", Duration(90 * time.Minute), ""},
		{"1h0m5s", Duration(time.Hour + 5*time.Second), ""},
		{"1.5s", Duration(1500 * time.Millisecond), ""},
		{"90d", Duration(90 * day), ""},
		{"1w2d3h", Duration(9*day + 3*time.Hour), "219h"},
		{"1.5d", Duration(36 * time.Hour), "36h"},
		{"2w", Duration(2 * week), "14d"},
		{"3µs", Duration(3 * time.Microsecond), ""},
		{"0", Duration(0), "0s"},
		{"106751d", Duration(106751 * day), ""},
		{"32MiB", Bytes(32 << 20), ""},
		{"2GB", Bytes(2e9), ""},
		{"2gib", Bytes(2 << 30), "2GiB"},
		{"1.5KiB", Bytes(1536), "1536"},
		{"12B", Bytes(12), "12"},
		{"1048576", Bytes(1 << 20), "1MiB"},
		{"1500", Bytes(1500), ""},
		{"0", Bytes(0), ""},
		{"9223372036854775807", Bytes(math.MaxInt64), ""},
		{"99.9%", Percent(99.9), ""},
		{"0.001%", Percent(0.001), ""},
		{"100%", Percent(100), ""},
		{"0", Percent(0), "0%"},
		{"5%", Share{Percent: 5}, ""},
		{"2GiB", Share{Bytes: 2 << 30}, ""},
		{"7B", Share{Bytes: 7}, ""},
		{"0", Share{}, ""},
	} {
		got := reflect.New(reflect.TypeOf(test.value))
		if err := got.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got.Elem().Interface() != test.value {
			t.Errorf("%s: %v", test.text, got.Elem())
		}
		if test.again == "" {
			test.again = test.text
		}
		if text, err := test.value.(encoding.TextMarshaler).MarshalText(); err != nil || string(text) != test.again {
			t.Errorf("%s is written as %s, %v", test.text, text, err)
		}
	}
}

func TestWhatIsNoUnitIsRefused(t *testing.T) {
	for _, test := range []struct {
		into  encoding.TextUnmarshaler
		texts []string
	}{
		{new(Duration), []string{"", "5", "1.5", "s", "5 s", "-5s", "5S", "5y", "1h5", "1.2.3s", "106752d", "99999999w", "9223372036s9223372036s", "0x5s", "1e3s"}},
		{new(Bytes), []string{"", "B", "-1", "1.5", "1M", "1 MiB", "MiB", "0.3KB5", "9223372036854775808", "9999999999GiB", "1e3", "inf", "1_000", "1.2.3MB", "0.0001KB"}},
		{new(Percent), []string{"", "%", "0.1", "-1%", "101%", "NaN%", "5 %", "1e1%"}},
		{new(Share), []string{"", "5", "-5%", "200%", "x", "1.5"}},
	} {
		for _, text := range test.texts {
			if err := test.into.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%T takes %q", test.into, text)
			}
		}
	}
}
