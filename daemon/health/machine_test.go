package health

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/health/host"
)

// fake is a machine that shows what the test says; nil: it does not show it.
type fake struct {
	memory      *host.Memory
	swap        *host.Swap
	cpu         *host.CPU
	load        *host.Load
	disk        *host.Disk
	temperature *host.Temperature
	throttle    *host.Throttle
	battery     *host.Battery
	gpus        []host.GPU
	cost        time.Duration
	files       *host.Files
}

func shown[T any](v *T, what string) (*T, error) {
	if v == nil {
		return nil, host.Absent("no " + what + " here")
	}
	return v, nil
}

func (f *fake) Memory(context.Context) (*host.Memory, error) { return shown(f.memory, "memory") }
func (f *fake) Swap(context.Context) (*host.Swap, error)     { return shown(f.swap, "swap") }
func (f *fake) CPU(context.Context) (*host.CPU, error)       { return shown(f.cpu, "cpu") }
func (f *fake) Load(context.Context) (*host.Load, error)     { return shown(f.load, "load") }
func (f *fake) Disk(context.Context) (*host.Disk, error)     { return shown(f.disk, "disk") }
func (f *fake) Temperature(context.Context) (*host.Temperature, error) {
	return shown(f.temperature, "temperature")
}
func (f *fake) Throttle(context.Context) (*host.Throttle, error) {
	return shown(f.throttle, "throttling")
}
func (f *fake) Battery(context.Context) (*host.Battery, error) { return shown(f.battery, "battery") }
func (f *fake) Files(context.Context) (*host.Files, error)     { return shown(f.files, "file handles") }
func (f *fake) GPUs(context.Context) ([]host.GPU, time.Duration, error) {
	if f.gpus == nil {
		return nil, f.cost, host.Absent("no gpus here")
	}
	return f.gpus, f.cost, nil
}

func ptr[T any](v T) *T { return &v }

const gib = 1 << 30

func TestOneLookAtEachPartOfTheMachine(t *testing.T) {
	rules := Rules{MinFreeMemory: Share{Percent: 5}, MinFreeDisk: Share{Bytes: 2 * gib}, MaxTemperature: 95}
	for _, c := range []struct {
		name  string
		is    fake
		rules Rules
		code  string
		want  Severity
		text  string
	}{
		{"enough memory", fake{memory: &host.Memory{Total: 16 * gib, Available: gib}}, rules, Memory, OK, "1.0 GiB of 16.0 GiB could be had"},
		{"little memory", fake{memory: &host.Memory{Total: 16 * gib, Available: gib / 2}}, rules, Memory, Warning, "512.0 MiB of"},
		{"no memory", fake{memory: &host.Memory{Total: 16 * gib, Available: gib / 8}}, rules, Memory, Critical, ""},
		{"memory by size", fake{memory: &host.Memory{Total: 16 * gib, Available: 3 * gib}}, Rules{MinFreeMemory: Share{Bytes: 4 * gib}}, Memory, Warning, ""},
		{"memory that is not watched", fake{memory: &host.Memory{Total: gib, Available: 1}}, Rules{}, Memory, OK, "not watched"},
		{"swap in use", fake{swap: &host.Swap{Total: gib, Used: gib}}, rules, Swap, OK, "0 B a second"},
		{"swapping", fake{swap: &host.Swap{Total: gib, Used: gib, Rate: 9 << 20}}, rules, Swap, Warning, "9.0 MiB a second"},
		{"busy", fake{cpu: &host.CPU{Busy: 99, Cores: 4}}, rules, CPU, Notice, "99 % of 4 cores"},
		{"load", fake{load: &host.Load{Five: 1e6}}, rules, Load, Notice, "1000000.00"},
		{"room on the disk", fake{disk: &host.Disk{Total: 100 * gib, Free: 3 * gib}}, rules, Disk, OK, "3.0 GiB of 100.0 GiB are free"},
		{"little room", fake{disk: &host.Disk{Total: 100 * gib, Free: gib}}, rules, Disk, Warning, ""},
		{"no room", fake{disk: &host.Disk{Total: 100 * gib, Free: 1 << 20}}, rules, Disk, Critical, ""},
		{"no room, whatever the rules", fake{disk: &host.Disk{Total: 100 * gib, Free: 1 << 20}}, Rules{}, Disk, Critical, ""},
		{"warm", fake{temperature: &host.Temperature{Celsius: 94, Sensor: "cpu"}}, rules, Temperature, OK, "94 °C at cpu"},
		{"hot", fake{temperature: &host.Temperature{Celsius: 95, Sensor: "cpu"}}, rules, Temperature, Warning, ""},
		{"too hot", fake{temperature: &host.Temperature{Celsius: 101, Sensor: "cpu"}}, rules, Temperature, Critical, ""},
		{"heat that is not watched", fake{temperature: &host.Temperature{Celsius: 120}}, Rules{}, Temperature, OK, "not watched"},
		{"throttled", fake{throttle: &host.Throttle{Heat: true, Text: "it is throttled"}}, rules, Throttling, Warning, "it is throttled"},
		{"not throttled", fake{throttle: &host.Throttle{}}, rules, Throttling, OK, "as fast as it should"},
		{"battery runs down", fake{battery: &host.Battery{Percent: 14, Discharging: true}}, rules, Battery, Warning, "14 % are left, and it runs down"},
		{"battery at its end", fake{battery: &host.Battery{Percent: 4, Discharging: true}}, rules, Battery, Critical, ""},
		{"battery that is charged", fake{battery: &host.Battery{Percent: 4}}, rules, Battery, OK, "plugged in"},
		{"a full card", fake{gpus: []host.GPU{{Name: "A", MemoryTotal: ptr(uint64(100)), MemoryUsed: ptr(uint64(98))}}}, rules, GPUMemory, Notice, "98 B of 100 B"},
		{"a hot card", fake{gpus: []host.GPU{{Name: "A", Celsius: ptr(96.0)}}}, rules, GPUTemperature, Warning, "96 °C"},
		{"a card that tells little", fake{gpus: []host.GPU{{Name: "A"}}}, rules, GPUTemperature, OK, "does not tell"},
		{"files", fake{files: &host.Files{Open: 85, Limit: 100}}, rules, FileHandles, Warning, "85 of 100 are open"},
		{"no files left", fake{files: &host.Files{Open: 99, Limit: 100}}, rules, FileHandles, Critical, ""},
	} {
		set := NewSet(nil)
		NewMachine(&c.is, func() Rules { return c.rules }).Look(t.Context(), set)
		for _, got := range set.List() {
			switch {
			case got.Code != c.code:
				if got.Severity != OK || got.Code != Clock && got.Absent == "" && !strings.HasPrefix(got.Code, "gpu") {
					t.Errorf("%s: %+v", c.name, got)
				}
			case got.Severity != c.want || !strings.Contains(got.Text+got.Absent, c.text):
				t.Errorf("%s: %+v", c.name, got)
			}
		}
	}
}

// TestWhatIsNotThereIsAbsent: with a reason, and in no fact as zero.
// Who asked before the first look was told that the machine does not show its memory.
func TestMemoryIsKnownFromTheStart(t *testing.T) {
	m := NewMachine(&fake{memory: &host.Memory{Total: 8 * gib, Available: 3 * gib}}, func() Rules { return Rules{} })
	if m.Begin(t.Context()); m.Facts().Memory == nil || m.Facts().Memory.Available != 3*gib {
		t.Errorf("%+v", m.Facts())
	}
	m = NewMachine(&fake{}, func() Rules { return Rules{} })
	if m.Begin(t.Context()); m.Facts().Memory != nil || m.Facts().Absent["memory"] == "" {
		t.Errorf("a machine that does not show it: %+v", m.Facts())
	}
}

func TestWhatIsNotThereIsAbsent(t *testing.T) {
	m, set := NewMachine(&fake{}, func() Rules { return Rules{} }), NewSet(nil)
	m.Look(t.Context(), set)
	for _, c := range set.List() {
		if c.Code != Clock && (c.Absent == "" || c.Text != "" || !strings.Contains(c.Absent, " here")) {
			t.Errorf("%+v", c)
		}
	}
	f := m.Facts()
	if f.Memory != nil || f.Swap != nil || f.CPU != nil || f.Load != nil || f.Disk != nil || f.Temperature != nil || f.Throttle != nil || f.Battery != nil || f.GPUs != nil || f.Files != nil {
		t.Errorf("%+v", f)
	}
	if len(f.Absent) != 10 || f.Absent["temperature"] != "no temperature here" {
		t.Errorf("%q", f.Absent)
	}
}

// TestPressureDoesNotFlap: memory that trembles around its limit for an hour, as it does while models come and go.
func TestPressureDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := &fake{memory: &host.Memory{Total: 100 * gib, Available: 50 * gib}, throttle: &host.Throttle{}}
		m := NewMachine(is, func() Rules { return Rules{MinFreeMemory: Share{Percent: 5}} })
		var changes []string
		set := NewSet(func(c Change) { changes = append(changes, fmt.Sprint(c.Code, " ", c.Severity)) })
		for second := range 1800 {
			is.memory.Available = uint64(6*gib - 2*gib*(second%2)) // 4 and 6 %
			set.Put("memory", time.Now(), m.memory(t.Context()))
			time.Sleep(2 * time.Second)
		}
		if len(changes) != 0 {
			t.Errorf("changes: %q", changes)
		}
		is.memory.Available = 4 * gib
		for range 3 {
			set.Put("memory", time.Now(), m.memory(t.Context()))
			time.Sleep(2 * time.Second)
		}
		for second := range 1800 {
			is.memory.Available = uint64(6*gib + 3*gib*(second/5%2)) // a good value for ten seconds, and none
			set.Put("memory", time.Now(), m.memory(t.Context()))
			time.Sleep(2 * time.Second)
		}
		if fmt.Sprint(changes) != "[memory warning]" {
			t.Errorf("changes: %q", changes)
		}

		if m.throttle(t.Context()); m.Hot() {
			t.Error("hot")
		}
		is.throttle.Text, is.throttle.Voltage = "the voltage is too low", true
		if m.throttle(t.Context()); m.Hot() {
			t.Error("a weak power supply is no heat")
		}
		is.throttle.Heat = true
		if m.throttle(t.Context()); !m.Hot() {
			t.Error("not hot")
		}
		is.throttle = &host.Throttle{}
		if m.throttle(t.Context()); !m.Hot() {
			t.Error("over at once")
		}
		time.Sleep(time.Minute)
		if m.throttle(t.Context()); m.Hot() {
			t.Error("never over")
		}
	})
}

func TestWhatAskingTheCardsCostBoundsHowOftenTheyAreAsked(t *testing.T) {
	is := &fake{gpus: []host.GPU{{Name: "A"}}, cost: 200 * time.Millisecond}
	m := NewMachine(is, func() Rules { return Rules{} })
	if _, wait := m.gpus(t.Context()); wait != 200*time.Second {
		t.Errorf("again after %v", wait)
	}
	is.gpus = nil
	if _, wait := m.gpus(t.Context()); wait < 10*time.Minute {
		t.Errorf("a machine without cards is asked again after %v", wait)
	}
}

func TestClock(t *testing.T) {
	c, wall, ran := &clock{}, time.Now(), time.Duration(0)
	for _, x := range []struct {
		name    string
		passes  time.Duration
		set     time.Duration
		want    Severity
		message string
	}{
		{"the first look", time.Second, 0, OK, ""},
		{"it goes on", time.Minute, 0, OK, ""},
		{"NTP corrects a little", time.Minute, 2 * time.Second, OK, ""},
		{"it is set", 5 * time.Second, time.Hour, Notice, "1h0m0s forward"},
		{"that is remembered", time.Minute, 0, Notice, "forward"},
		{"it is set back", 5 * time.Second, -time.Hour, Notice, "1h0m0s back"},
		{"that is forgotten", 16 * time.Minute, 0, OK, ""},
	} {
		ran += x.passes
		wall = wall.Add(x.passes + x.set)
		if f := c.look(wall, ran)[0]; f.Severity != x.want || !strings.Contains(f.Text, x.message) {
			t.Errorf("%s: %+v", x.name, f)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 * gib / 2: "1.5 GiB", 1 << 40: "1.0 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// BenchmarkMachine looks at everything of the real machine, and says what that is of a core when each is looked at as often as it is.
func BenchmarkMachine(b *testing.B) {
	m := NewMachine(host.New(b.TempDir()), func() Rules {
		return Rules{MinFreeMemory: Share{Percent: 5}, MinFreeDisk: Share{Bytes: gib}, MaxTemperature: 95}
	})
	share := 0.0
	for _, x := range m.Sources() {
		b.Run(x.Name, func(b *testing.B) {
			set := NewSet(nil)
			wait := time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				found, w := x.Look(b.Context())
				set.Put(x.Name, time.Now(), found)
				wait = w
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			of := 100 * each / float64(max(x.Every, wait).Nanoseconds())
			b.ReportMetric(of, "%core")
			share += of
		})
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(share, "%core")
	})
	if share > 0.5 {
		b.Error("that is more than half a percent")
	}
}
