package health

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/health/host"
)

// Rules are the limits of the machine. Zero: not watched.
type Rules struct {
	MinFreeMemory  Share
	MinFreeDisk    Share
	MaxTemperature float64 // degrees Celsius
}

// Share is a part of the whole, in percent, or a size in bytes; at most one of the two.
type Share struct {
	Percent float64
	Bytes   uint64
}

// Of is the share of total, in bytes.
func (s Share) Of(total uint64) uint64 {
	if s.Percent > 0 {
		return uint64(float64(total) * s.Percent / 100)
	}
	return s.Bytes
}

// Facts are what the machine showed last. What it does not show is nil, and Absent has the reason under the same name.
type Facts struct {
	Memory      *host.Memory      `json:"memory,omitempty"`
	Swap        *host.Swap        `json:"swap,omitempty"`
	CPU         *host.CPU         `json:"cpu,omitempty"`
	Load        *host.Load        `json:"load,omitempty"`
	Disk        *host.Disk        `json:"disk,omitempty"`
	Temperature *host.Temperature `json:"temperature,omitempty"`
	Throttle    *host.Throttle    `json:"throttle,omitempty"`
	Battery     *host.Battery     `json:"battery,omitempty"`
	GPUs        []host.GPU        `json:"gpus,omitempty"`
	Files       *host.Files       `json:"files,omitempty"`
	Absent      map[string]string `json:"absent" doc:"what this machine does not show, and why"`
}

// Reader reads a machine; *host.Host is one.
type Reader interface {
	Memory(context.Context) (*host.Memory, error)
	Swap(context.Context) (*host.Swap, error)
	CPU(context.Context) (*host.CPU, error)
	Load(context.Context) (*host.Load, error)
	Disk(context.Context) (*host.Disk, error)
	Temperature(context.Context) (*host.Temperature, error)
	Throttle(context.Context) (*host.Throttle, error)
	Battery(context.Context) (*host.Battery, error)
	GPUs(context.Context) ([]host.GPU, time.Duration, error)
	Files(context.Context) (*host.Files, error)
}

// Machine is what is known of the machine.
type Machine struct {
	reader Reader
	rules  func() Rules

	mu    sync.Mutex // guards facts
	facts Facts

	trips map[string]*Trip // each is used by one source only; the map itself never changes
	cards map[string]*Trip // of the source `gpus` alone
	clock clock
	began time.Time
	hot   atomic.Bool // the processor is being slowed down because of heat
}

// NewMachine makes one. rules are asked for at each look.
func NewMachine(r Reader, rules func() Rules) *Machine {
	m := &Machine{reader: r, rules: rules, trips: map[string]*Trip{}, cards: map[string]*Trip{}, began: time.Now()}
	m.facts.Absent = map[string]string{}
	for _, name := range []string{Memory, Swap, CPU, Load, Disk, Temperature, Throttling, Battery, FileHandles, heatThrottled} {
		m.trips[name] = &Trip{}
	}
	return m
}

// Facts are those of the last looks.
func (m *Machine) Facts() Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.facts
	out.Absent = make(map[string]string, len(m.facts.Absent))
	for k, v := range m.facts.Absent {
		out.Absent[k] = v
	}
	return out
}

// note keeps what a look gave under name, or why it gave nothing.
func (m *Machine) note(name string, err error, set func(*Facts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.facts)
	delete(m.facts.Absent, name)
	if err != nil {
		m.facts.Absent[name] = err.Error()
	}
}

// gpuShare bounds what asking nvidia-smi may cost: a thousandth of a core.
const gpuShare = 1000

// Sources are the machine's own. What changes fast or may hurt is looked at often; together they cost well below half a percent of
// a core (see BenchmarkMachine).
func (m *Machine) Sources() []Source {
	const quick = 2 * time.Second
	one := func(f func(context.Context) []Found) func(context.Context) ([]Found, time.Duration) {
		return func(ctx context.Context) ([]Found, time.Duration) { return f(ctx), 0 }
	}
	return []Source{
		{Name: "memory", Every: 2 * time.Second, Deadline: quick, Look: one(m.memory)},
		{Name: "temperature", Every: 5 * time.Second, Deadline: quick, Look: one(m.temperature)},
		{Name: "swap", Every: 10 * time.Second, Deadline: quick, Look: one(m.swap)},
		{Name: "cpu", Every: 10 * time.Second, Deadline: quick, Look: one(m.cpu)},
		{Name: "load", Every: 10 * time.Second, Deadline: quick, Look: one(m.load)},
		{Name: "disk", Every: 5 * time.Second, Deadline: quick, Look: one(m.disk)},
		{Name: "throttle", Every: 15 * time.Second, Deadline: quick, Look: one(m.throttle)},
		{Name: "battery", Every: 30 * time.Second, Deadline: quick, Look: one(m.battery)},
		{Name: "files", Every: 30 * time.Second, Deadline: quick, Look: one(m.files)},
		{Name: "clock", Every: 5 * time.Second, Deadline: quick, Look: one(func(context.Context) []Found { return m.clock.look(time.Now(), time.Since(m.began)) })},
		{Name: "gpus", Every: 30 * time.Second, Deadline: 10 * time.Second, Look: m.gpus},
	}
}

// Look asks all sources once, for whoever wants to know now. It must not be called while Watch runs them.
func (m *Machine) Look(ctx context.Context, s *Set) {
	for _, x := range m.Sources() {
		ctx, cancel := context.WithTimeout(ctx, x.Deadline)
		found, _ := x.Look(ctx)
		cancel()
		s.Put(x.Name, time.Now(), found)
	}
}

// Begin looks at the memory, so that it is known before anybody asks what would fit into it.
func (m *Machine) Begin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	v, err := m.reader.Memory(ctx)
	m.note("memory", err, func(f *Facts) { f.Memory = v })
}

func (m *Machine) memory(ctx context.Context) []Found {
	v, err := m.reader.Memory(ctx)
	m.note("memory", err, func(f *Facts) { f.Memory = v })
	if err != nil {
		return []Found{Absent(Memory, "", err)}
	}
	text := fmt.Sprintf("%s of %s could be had", Size(v.Available), Size(v.Total))
	least := float64(m.rules().MinFreeMemory.Of(v.Total))
	if least <= 0 {
		return []Found{{Code: Memory, Absent: text + "; health.min_free_memory is 0, so it is not watched"}}
	}
	// What is short is negated: a higher value is worse.
	s := m.trips[Memory].Next(time.Now(), -float64(v.Available), Levels{Rise: 3 * time.Second, Fall: 20 * time.Second,
		Levels: []Level{{Warning, -least, -1.5 * least}, {Critical, -least / 2, -0.75 * least}}})
	return []Found{{Code: Memory, Severity: s, Text: text}}
}

func (m *Machine) swap(ctx context.Context) []Found {
	v, err := m.reader.Swap(ctx)
	m.note("swap", err, func(f *Facts) { f.Swap = v })
	if err != nil {
		return []Found{Absent(Swap, "", err)}
	}
	s := m.trips[Swap].Next(time.Now(), float64(v.Rate), Levels{Rise: 20 * time.Second, Fall: time.Minute, Levels: []Level{{Warning, 8 << 20, 1 << 20}}})
	return []Found{{Code: Swap, Severity: s, Text: fmt.Sprintf("%s of %s are in use, %s a second go in and out", Size(v.Used), Size(v.Total), Size(v.Rate))}}
}

func (m *Machine) cpu(ctx context.Context) []Found {
	v, err := m.reader.CPU(ctx)
	m.note("cpu", err, func(f *Facts) { f.CPU = v })
	if err != nil {
		return []Found{Absent(CPU, "", err)}
	}
	s := m.trips[CPU].Next(time.Now(), v.Busy, Levels{Rise: 2 * time.Minute, Fall: 30 * time.Second, Levels: []Level{{Notice, 95, 80}}})
	return []Found{{Code: CPU, Severity: s, Text: fmt.Sprintf("%.0f %% of %d cores are busy", v.Busy, v.Cores)}}
}

func (m *Machine) load(ctx context.Context) []Found {
	v, err := m.reader.Load(ctx)
	m.note("load", err, func(f *Facts) { f.Load = v })
	if err != nil {
		return []Found{Absent(Load, "", err)}
	}
	cores := float64(runtime.NumCPU())
	s := m.trips[Load].Next(time.Now(), v.Five/cores, Levels{Fall: time.Minute, Levels: []Level{{Notice, 2, 1.5}}})
	return []Found{{Code: Load, Severity: s, Text: fmt.Sprintf("%.2f %.2f %.2f over 1, 5 and 15 minutes, on %.0f cores", v.One, v.Five, v.Fifteen, cores)}}
}

// NearlyFull is when the ledger may run out of disk within hours, in bytes.
const NearlyFull = 64 << 20

func (m *Machine) disk(ctx context.Context) []Found {
	v, err := m.reader.Disk(ctx)
	m.note("disk", err, func(f *Facts) { f.Disk = v })
	if err != nil {
		return []Found{Absent(Disk, "", err)}
	}
	text := fmt.Sprintf("%s of %s are free where the data folder is", Size(v.Free), Size(v.Total))
	levels := []Level{{Critical, -NearlyFull, -2 * NearlyFull}}
	if least := m.rules().MinFreeDisk.Of(v.Total); least > NearlyFull {
		levels = []Level{{Warning, -float64(least), -1.1 * float64(least)}, levels[0]}
	}
	s := m.trips[Disk].Next(time.Now(), -float64(v.Free), Levels{Fall: 20 * time.Second, Levels: levels})
	return []Found{{Code: Disk, Severity: s, Text: text}}
}

// heat is when a temperature is too high; it is left ten degrees below, for a machine at its limit cools down by little.
func heat(limit float64) Levels {
	return Levels{Rise: 10 * time.Second, Fall: 30 * time.Second, Levels: []Level{{Warning, limit, limit - 10}, {Critical, limit + 5, limit}}}
}

func (m *Machine) temperature(ctx context.Context) []Found {
	v, err := m.reader.Temperature(ctx)
	m.note("temperature", err, func(f *Facts) { f.Temperature = v })
	if err != nil {
		return []Found{Absent(Temperature, "", err)}
	}
	text := fmt.Sprintf("%.0f °C at %s", v.Celsius, v.Sensor)
	limit := m.rules().MaxTemperature
	if limit <= 0 {
		return []Found{{Code: Temperature, Absent: text + "; health.max_temperature is 0, so it is not watched"}}
	}
	return []Found{{Code: Temperature, Severity: m.trips[Temperature].Next(time.Now(), v.Celsius, heat(limit)), Text: text}}
}

// heatThrottled is the part of Throttling that heat is to blame for. It is no condition of its own.
const heatThrottled = "throttled by heat"

// Hot reports whether the processor is slowed down because of heat, or was until a minute ago.
func (m *Machine) Hot() bool { return m.hot.Load() }

func (m *Machine) throttle(ctx context.Context) []Found {
	v, err := m.reader.Throttle(ctx)
	m.note("throttle", err, func(f *Facts) { f.Throttle = v })
	if err != nil {
		return []Found{Absent(Throttling, "", err)}
	}
	truth := map[bool]float64{true: 1}
	levels := Levels{Fall: time.Minute, Levels: []Level{{Warning, 1, 1}}}
	s := m.trips[Throttling].Next(time.Now(), truth[v.Text != ""], levels)
	m.hot.Store(m.trips[heatThrottled].Next(time.Now(), truth[v.Heat], levels) > OK)
	text := v.Text
	switch {
	case text == "" && s == OK:
		text = "the processor runs as fast as it should"
	case text == "":
		text = "the processor was slowed down until a moment ago"
	}
	return []Found{{Code: Throttling, Severity: s, Text: text}}
}

func (m *Machine) battery(ctx context.Context) []Found {
	v, err := m.reader.Battery(ctx)
	m.note("battery", err, func(f *Facts) { f.Battery = v })
	if err != nil {
		return []Found{Absent(Battery, "", err)}
	}
	left, text := v.Percent, fmt.Sprintf("%.0f %% are left, and it is plugged in", v.Percent)
	if v.Discharging {
		text = fmt.Sprintf("%.0f %% are left, and it runs down", v.Percent)
	} else {
		left = 100 // whoever plugs it in has done what was to be done
	}
	s := m.trips[Battery].Next(time.Now(), -left, Levels{Levels: []Level{{Warning, -15, -20}, {Critical, -5, -8}}})
	return []Found{{Code: Battery, Severity: s, Text: text}}
}

func (m *Machine) files(ctx context.Context) []Found {
	v, err := m.reader.Files(ctx)
	m.note("files", err, func(f *Facts) { f.Files = v })
	if err != nil {
		return []Found{Absent(FileHandles, "", err)}
	}
	used := 100 * float64(v.Open) / float64(v.Limit)
	s := m.trips[FileHandles].Next(time.Now(), used, Levels{Fall: 30 * time.Second, Levels: []Level{{Warning, 80, 70}, {Critical, 95, 90}}})
	return []Found{{Code: FileHandles, Severity: s, Text: fmt.Sprintf("%d of %d are open", v.Open, v.Limit)}}
}

func (m *Machine) gpus(ctx context.Context) (found []Found, wait time.Duration) {
	list, cost, err := m.reader.GPUs(ctx)
	m.note("gpus", err, func(f *Facts) { f.GPUs = list })
	wait = cost * gpuShare
	if err != nil {
		return []Found{Absent(GPUTemperature, "", err), Absent(GPUMemory, "", err)}, max(wait, 10*time.Minute) // none is put in while it runs
	}
	for i, g := range list {
		name := fmt.Sprintf("%d %s", i, g.Name)
		hot := Found{Code: GPUTemperature, Subject: name, Absent: "this card does not tell its temperature"}
		if limit := m.rules().MaxTemperature; g.Celsius != nil && limit > 0 {
			hot = Found{Code: GPUTemperature, Subject: name, Severity: m.trip(GPUTemperature+name).Next(time.Now(), *g.Celsius, heat(limit)), Text: fmt.Sprintf("%.0f °C", *g.Celsius)}
		} else if g.Celsius != nil {
			hot.Absent = fmt.Sprintf("%.0f °C; health.max_temperature is 0, so it is not watched", *g.Celsius)
		}
		memory := Found{Code: GPUMemory, Subject: name, Absent: "this card does not tell its memory"}
		if g.MemoryTotal != nil && g.MemoryUsed != nil && *g.MemoryTotal > 0 {
			used := 100 * float64(*g.MemoryUsed) / float64(*g.MemoryTotal)
			s := m.trip(GPUMemory+name).Next(time.Now(), used, Levels{Fall: time.Minute, Levels: []Level{{Notice, 97, 93}}})
			memory = Found{Code: GPUMemory, Subject: name, Severity: s, Text: fmt.Sprintf("%s of %s are in use", Size(*g.MemoryUsed), Size(*g.MemoryTotal))}
		}
		found = append(found, hot, memory)
	}
	return found, wait
}

// trip is one of a card's; only the source of the cards uses these.
func (m *Machine) trip(name string) *Trip {
	if m.cards[name] == nil {
		m.cards[name] = &Trip{}
	}
	return m.cards[name]
}

// clock compares the clock on the wall with the one that only goes on.
type clock struct {
	wall   time.Time
	ran    time.Duration
	jumped time.Duration // when, by ran; 0: never
	by     time.Duration
}

const (
	jump         = 5 * time.Second // NTP corrects less than this without a step, and a look may be late
	rememberJump = 15 * time.Minute
)

// look takes the time on the wall and how long the other clock has run. On Linux that one stands still while the machine sleeps
// (clock_gettime(2), CLOCK_MONOTONIC), so a sleep looks like a clock that was set.
func (c *clock) look(wall time.Time, ran time.Duration) []Found {
	wall = wall.Round(0) // the time on the wall alone
	if !c.wall.IsZero() {
		if by := wall.Sub(c.wall) - (ran - c.ran); by.Abs() >= jump {
			c.jumped, c.by = ran, by
		}
	}
	c.wall, c.ran = wall, ran
	if c.jumped == 0 || ran-c.jumped > rememberJump {
		return []Found{{Code: Clock, Text: "it goes as it should"}}
	}
	how := "forward, or the machine slept"
	if c.by < 0 {
		how = "back: limits, budgets and the times in the ledger are off by that"
	}
	return []Found{{Code: Clock, Severity: Notice, Text: fmt.Sprintf("it was set %s %s", c.by.Abs().Round(time.Second), how)}}
}

// Size is a number of bytes for people.
func Size(n uint64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	unit := int(math.Log2(float64(n)) / 10)
	return fmt.Sprintf("%.1f %ciB", float64(n)/math.Exp2(float64(10*unit)), " KMGTPE"[unit])
}
