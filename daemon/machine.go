package daemon

import (
	"fmt"
	"io"
	"strconv"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/health"
)

// writeHealth writes conditions and the machine as metrics. What the machine does not show has no series.
func (d *Daemon) writeHealth(w io.Writer) {
	worst := map[string]health.Severity{}
	for _, c := range d.wellness.set.List() {
		if c.Absent == "" {
			worst[c.Code] = max(worst[c.Code], c.Severity)
		}
	}
	for _, k := range health.Kinds() { // by code only: names of models and places are the operator's
		s, known := worst[k.Code]
		if !known {
			continue
		}
		for _, each := range []health.Severity{health.Notice, health.Warning, health.Critical} {
			n := uint64(0)
			if s == each {
				n = 1
			}
			metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_condition{code=%q,severity=%q}", k.Code, each), n)
		}
	}
	state := d.wellness.gate.State()
	for _, kind := range []string{"memory", "heat"} {
		n := uint64(0)
		if state != nil && state.Kind == kind {
			n = 1
		}
		metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_pressure{kind=%q}", kind), n)
	}
	f := d.wellness.machine.Facts()
	gauge := func(name string, v float64) { metrics.WriteGaugeFloat64(w, name, v) }
	bytes := func(name string, n uint64) { metrics.WriteGaugeUint64(w, name, n) }
	if f.Memory != nil {
		bytes("corral_host_memory_bytes", f.Memory.Total)
		bytes("corral_host_memory_available_bytes", f.Memory.Available)
	}
	if f.Swap != nil {
		bytes("corral_host_swap_bytes", f.Swap.Total)
		bytes("corral_host_swap_used_bytes", f.Swap.Used)
	}
	if f.CPU != nil {
		gauge("corral_host_cpu_busy_ratio", f.CPU.Busy/100)
	}
	if f.Load != nil {
		gauge(`corral_host_load{minutes="1"}`, f.Load.One)
		gauge(`corral_host_load{minutes="5"}`, f.Load.Five)
	}
	if f.Disk != nil {
		bytes("corral_host_disk_bytes", f.Disk.Total)
		bytes("corral_host_disk_free_bytes", f.Disk.Free)
	}
	if f.Temperature != nil {
		gauge("corral_host_temperature_celsius", f.Temperature.Celsius)
	}
	if f.Battery != nil {
		gauge("corral_host_battery_ratio", f.Battery.Percent/100)
	}
	for i, g := range f.GPUs {
		label := "{gpu=" + strconv.Quote(strconv.Itoa(i)) + "}"
		if g.MemoryTotal != nil {
			bytes("corral_host_gpu_memory_bytes"+label, *g.MemoryTotal)
		}
		if g.MemoryUsed != nil {
			bytes("corral_host_gpu_memory_used_bytes"+label, *g.MemoryUsed)
		}
		if g.Busy != nil {
			gauge("corral_host_gpu_busy_ratio"+label, *g.Busy/100)
		}
		if g.Celsius != nil {
			gauge("corral_host_gpu_temperature_celsius"+label, *g.Celsius)
		}
	}
}
