// Package host reads the machine that Corral runs on: memory, swap, processor, disk, temperature, throttling, battery,
// graphics and file handles.
//
// gopsutil reads what it knows; what it does not (throttling, batteries, graphics) stands in Linux' /sys and in what
// nvidia-smi prints. To add something, write a method that returns a value or an Absent.
//
// The surprise: what a machine cannot show is no zero. Every method that finds nothing returns an error, and its text is the
// reason that people read: "no temperature sensor is shown by this machine".
package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	sensors "github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"
)

// Absent is the error of what this machine does not have or does not show; the text says why.
type Absent string

func (a Absent) Error() string { return string(a) }

// Memory is that of the machine, in bytes.
type Memory struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available" doc:"could be had without swapping"`
}

// Swap is in bytes.
type Swap struct {
	Total uint64 `json:"total"`
	Used  uint64 `json:"used"`
	Rate  uint64 `json:"rate" doc:"bytes a second, in and out, since the last look"`
}

// CPU is how busy the processor was since the last look.
type CPU struct {
	Busy  float64 `json:"busy" doc:"percent of all cores"`
	Cores int     `json:"cores"`
}

// Load is the average number of processes that run or wait to.
type Load struct {
	One     float64 `json:"one" doc:"over a minute"`
	Five    float64 `json:"five" doc:"over five minutes"`
	Fifteen float64 `json:"fifteen"`
}

// Disk is that where the data folder is, in bytes.
type Disk struct {
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
}

// Temperature is that of the hottest sensor of processor and board.
type Temperature struct {
	Celsius float64 `json:"celsius"`
	Sensor  string  `json:"sensor"`
}

// Throttle is what slows the processor down at the moment.
type Throttle struct {
	Heat    bool   `json:"heat" doc:"it is slowed down because it is hot"`
	Voltage bool   `json:"voltage" doc:"the power supply gives too little"`
	Text    string `json:"text,omitempty"`
}

// Battery is all batteries of the machine together.
type Battery struct {
	Percent     float64 `json:"percent"`
	Discharging bool    `json:"discharging"`
}

// GPU is one graphics processor. What it does not tell is absent.
type GPU struct {
	Name        string   `json:"name"`
	MemoryTotal *uint64  `json:"memory_total,omitempty" doc:"bytes"`
	MemoryUsed  *uint64  `json:"memory_used,omitempty" doc:"bytes"`
	Busy        *float64 `json:"busy,omitempty" doc:"percent"`
	Celsius     *float64 `json:"celsius,omitempty"`
}

// Files are the file handles of this process.
type Files struct {
	Open  int    `json:"open"`
	Limit uint64 `json:"limit"`
}

// Host reads one machine. Its methods may be called at the same time, each of them once at a time.
type Host struct {
	root string // where proc/ and sys/ are; empty: this machine's own
	dir  string // whose disk counts
	smi  func() (path string, ok bool)

	mu       sync.Mutex // guards the last looks, for rates
	cpu      *cpu.TimesStat
	swapped  uint64
	swapAt   time.Time
	throttle map[string]int64
}

// New makes a Host for this machine; dir is on the disk that counts.
func New(dir string) *Host { return &Host{dir: dir, smi: smi} }

// At makes a Host that reads proc/ and sys/ below root, as gopsutil's HOST_PROC and HOST_SYS do, and runs the program nvidiaSMI
// unless it is empty.
func At(root, dir, nvidiaSMI string) *Host {
	return &Host{root: root, dir: dir, smi: func() (string, bool) { return nvidiaSMI, nvidiaSMI != "" }}
}

func (h *Host) context(ctx context.Context) context.Context {
	if h.root == "" {
		return ctx
	}
	return context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: filepath.Join(h.root, "proc"), common.HostSysEnvKey: filepath.Join(h.root, "sys")})
}

// path is one below /sys.
func (h *Host) sys(path string) string { return filepath.Join("/", h.root, "sys", path) }

// linux refuses what only Linux shows.
func (h *Host) linux(what string) error {
	if h.root == "" && runtime.GOOS != "linux" {
		return Absent(fmt.Sprintf("%s is read on Linux only", what))
	}
	return nil
}

// Memory is how much there is and could be had.
func (h *Host) Memory(ctx context.Context) (*Memory, error) {
	v, err := mem.VirtualMemoryWithContext(h.context(ctx))
	if err != nil {
		return nil, fmt.Errorf("read memory: %w", err)
	}
	if v.Total == 0 {
		return nil, Absent("this machine does not tell its memory")
	}
	return &Memory{v.Total, v.Available}, nil
}

// Swap is how full it is and how much went in and out.
func (h *Host) Swap(ctx context.Context) (*Swap, error) {
	s, err := mem.SwapMemoryWithContext(h.context(ctx))
	if err != nil {
		return nil, fmt.Errorf("read swap: %w", err)
	}
	return h.swap(s, time.Now())
}

func (h *Host) swap(s *mem.SwapMemoryStat, now time.Time) (*Swap, error) {
	if s.Total == 0 {
		return nil, Absent("this machine has no swap")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	out, moved := &Swap{Total: s.Total, Used: s.Used}, s.Sin+s.Sout
	if since := now.Sub(h.swapAt).Seconds(); !h.swapAt.IsZero() && since > 0 && moved >= h.swapped {
		out.Rate = uint64(float64(moved-h.swapped) / since)
	}
	h.swapped, h.swapAt = moved, now
	return out, nil
}

// CPU is how busy all cores were since the last look. The first look has nothing to compare with.
func (h *Host) CPU(ctx context.Context) (*CPU, error) {
	all, err := cpu.TimesWithContext(h.context(ctx), false)
	if err != nil || len(all) == 0 {
		return nil, fmt.Errorf("read processor times: %w", errors.Join(err, Absent("this machine does not tell them")))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.cpu
	h.cpu = &all[0]
	if was == nil {
		return nil, Absent("not measured yet")
	}
	idle := func(t *cpu.TimesStat) float64 { return t.Idle + t.Iowait }
	total := func(t *cpu.TimesStat) float64 {
		return t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal + idle(t) // guests are counted in user and nice
	}
	past := total(h.cpu) - total(was)
	if past <= 0 {
		return nil, Absent("the processor's times stand still")
	}
	busy := 100 * (1 - (idle(h.cpu)-idle(was))/past)
	return &CPU{Busy: math.Round(10*min(max(busy, 0), 100)) / 10, Cores: runtime.NumCPU()}, nil
}

// Load is the load average.
func (h *Host) Load(ctx context.Context) (*Load, error) {
	if runtime.GOOS == "windows" {
		return nil, Absent("Windows has no load average")
	}
	l, err := load.AvgWithContext(h.context(ctx))
	if err != nil {
		return nil, fmt.Errorf("read load: %w", err)
	}
	return &Load{l.Load1, l.Load5, l.Load15}, nil
}

// Disk is how full the disk with the data folder is.
func (h *Host) Disk(ctx context.Context) (*Disk, error) {
	u, err := disk.UsageWithContext(ctx, h.dir)
	if err != nil {
		return nil, fmt.Errorf("read disk: %w", err)
	}
	return &Disk{u.Total, u.Free}, nil
}

// Files are this process' file handles.
func (h *Host) Files(ctx context.Context) (*Files, error) {
	p := &process.Process{Pid: int32(os.Getpid())}
	open, err := p.NumFDsWithContext(ctx)
	if err != nil {
		return nil, Absent("file handles are not told on this system: " + err.Error())
	}
	limits, err := p.RlimitWithContext(ctx)
	if err != nil {
		return nil, Absent("the limit of file handles is not told on this system: " + err.Error())
	}
	for _, l := range limits {
		if l.Resource == process.RLIMIT_NOFILE && l.Soft > 0 {
			return &Files{int(open), l.Soft}, nil
		}
	}
	return nil, Absent("there is no limit of file handles")
}

// Temperature is the hottest of the processor's and the board's sensors. Some boards have sensors that are connected to nothing and
// show 127 degrees, so those of known drivers come first.
func (h *Host) Temperature(ctx context.Context) (*Temperature, error) {
	if h.root == "" && runtime.GOOS == "windows" {
		return nil, Absent("temperatures are not read on Windows")
	}
	all, err := sensors.SensorsTemperaturesWithContext(h.context(ctx))
	if len(all) == 0 {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, Absent("no temperature sensor can be read: " + err.Error())
		}
		return nil, Absent("this machine shows no temperature sensor")
	}
	var known, any *Temperature
	for _, s := range all {
		if s.Temperature <= 0 || s.Temperature >= 127 {
			continue
		}
		t := &Temperature{math.Round(10*s.Temperature) / 10, s.SensorKey}
		if any == nil || t.Celsius > any.Celsius {
			any = t
		}
		if isProcessor(s.SensorKey) && (known == nil || t.Celsius > known.Celsius) {
			known = t
		}
	}
	switch {
	case known != nil:
		return known, nil
	case any != nil:
		return any, nil
	}
	return nil, Absent("no temperature sensor shows a temperature")
}

// isProcessor goes by the names of Linux' drivers and thermal zones, and of Apple's sensors.
func isProcessor(sensor string) bool {
	sensor = strings.ToLower(sensor)
	for _, driver := range []string{"coretemp", "k10temp", "zenpower", "cpu", "soc", "x86_pkg_temp", "acpitz", "tc0", "tctl", "scpi_sensors", "bigcore", "littlecore"} {
		if strings.HasPrefix(sensor, driver) {
			return true
		}
	}
	return false
}

// Throttle is what slows the processor down now: on a Raspberry Pi what its firmware says
// (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled), on x86 whether the count of throttlings has grown
// since the last look (https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu).
func (h *Host) Throttle(context.Context) (*Throttle, error) {
	if err := h.linux("throttling"); err != nil {
		return nil, err
	}
	if text, err := read(h.sys("devices/platform/soc/soc:firmware/get_throttled")); err == nil {
		flags, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
		if err != nil {
			return nil, Absent("the firmware's flags cannot be read: " + text)
		}
		return pi(flags), nil
	}
	files, _ := filepath.Glob(h.sys("devices/system/cpu/cpu*/thermal_throttle/package_throttle_count"))
	if len(files) == 0 {
		return nil, Absent("this machine does not show whether it throttles")
	}
	now, grown := map[string]int64{}, int64(0)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, file := range files {
		n, err := number(file)
		if err != nil {
			continue
		}
		if was, seen := h.throttle[file]; seen && n > was {
			grown = max(grown, n-was)
		}
		now[file] = n
	}
	h.throttle = now
	if grown == 0 {
		return &Throttle{}, nil
	}
	return &Throttle{Heat: true, Text: fmt.Sprintf("the processor throttled itself %d times since the last look", grown)}, nil
}

// pi reads the flags that say what is so now; those from bit 16 on say what was since the start.
func pi(flags uint64) *Throttle {
	t := &Throttle{Voltage: flags&1 != 0, Heat: flags&(1<<2|1<<3) != 0}
	var said []string
	for bit, text := range []string{"the voltage is too low", "the clock is capped", "it is throttled", "the soft limit of temperature is reached"} {
		if flags&(1<<bit) != 0 {
			said = append(said, text)
		}
	}
	t.Text = strings.Join(said, ", ")
	return t
}

// Battery is what all of the machine's own batteries have left
// (https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power); those of a mouse do not count.
func (h *Host) Battery(context.Context) (*Battery, error) {
	if err := h.linux("the battery"); err != nil {
		return nil, err
	}
	supplies, _ := filepath.Glob(h.sys("class/power_supply/*"))
	n, out := 0, &Battery{}
	for _, dir := range supplies {
		kind, _ := read(filepath.Join(dir, "type"))
		scope, _ := read(filepath.Join(dir, "scope"))
		left, err := number(filepath.Join(dir, "capacity"))
		if kind != "Battery" || scope == "Device" || err != nil {
			continue
		}
		status, _ := read(filepath.Join(dir, "status"))
		out.Discharging = out.Discharging || status == "Discharging"
		out.Percent += float64(left)
		n++
	}
	if n == 0 {
		return nil, Absent("this machine has no battery")
	}
	out.Percent /= float64(n)
	return out, nil
}

func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

func number(path string) (int64, error) {
	s, err := read(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// Free is how many bytes can be written where the folder dir is.
func Free(ctx context.Context, dir string) (uint64, error) {
	u, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return 0, err
	}
	return u.Free, nil
}
