package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/mem"
)

// tree writes files below a folder: "sys/class/x/y" = content.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("these files are Linux' own")
	}
}

func TestTemperature(t *testing.T) {
	linuxOnly(t)
	for _, c := range []struct {
		name   string
		files  map[string]string
		want   string
		absent string
	}{
		{"the hottest core", map[string]string{
			"sys/class/hwmon/hwmon0/name": "coretemp", "sys/class/hwmon/hwmon0/temp1_input": "61000", "sys/class/hwmon/hwmon0/temp2_input": "72500",
		}, "72.5 coretemp", ""},
		{"a sensor that is connected to nothing", map[string]string{
			"sys/class/hwmon/hwmon0/name": "k10temp", "sys/class/hwmon/hwmon0/temp1_input": "55000",
			"sys/class/hwmon/hwmon1/name": "nct6775", "sys/class/hwmon/hwmon1/temp7_input": "116000", "sys/class/hwmon/hwmon1/temp8_input": "127500",
		}, "55 k10temp", ""},
		{"no driver that is known", map[string]string{
			"sys/class/hwmon/hwmon0/name": "something", "sys/class/hwmon/hwmon0/temp1_input": "41000", "sys/class/hwmon/hwmon0/temp2_input": "-128000",
		}, "41 something", ""},
		{"a Raspberry Pi", map[string]string{
			"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "48312\n",
		}, "48.3 cpu-thermal", ""},
		{"sensors that show nothing", map[string]string{"sys/class/hwmon/hwmon0/name": "coretemp", "sys/class/hwmon/hwmon0/temp1_input": "0"}, "", "no temperature sensor shows a temperature"},
		{"none", nil, "", "shows no temperature sensor"},
	} {
		got, err := At(tree(t, c.files), "", "").Temperature(t.Context())
		if c.absent != "" {
			isAbsent(t, c.name, err, c.absent)
		} else if err != nil || fmt.Sprint(got.Celsius, " ", got.Sensor) != c.want {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
}

func isAbsent(t *testing.T, name string, err error, text string) {
	t.Helper()
	var a Absent
	if !errors.As(err, &a) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, and not absent because of %q", name, err, text)
	}
}

func TestThrottle(t *testing.T) {
	const firmware = "sys/devices/platform/soc/soc:firmware/get_throttled"
	for _, c := range []struct {
		flags         string
		heat, voltage bool
		text          string
	}{
		{"0\n", false, false, ""},
		{"50000\n", false, false, ""}, // it was so since the start
		{"50005\n", true, true, "the voltage is too low, it is throttled"},
		{"0x1", false, true, "the voltage is too low"},
		{"2", false, false, "the clock is capped"},
		{"8", true, false, "the soft limit of temperature is reached"},
	} {
		got, err := At(tree(t, map[string]string{firmware: c.flags}), "", "").Throttle(t.Context())
		if err != nil || got.Heat != c.heat || got.Voltage != c.voltage || got.Text != c.text {
			t.Errorf("%q: %+v %v", c.flags, got, err)
		}
	}
	_, err := At(tree(t, map[string]string{firmware: "hot"}), "", "").Throttle(t.Context())
	isAbsent(t, "nonsense", err, "cannot be read: hot")
	_, err = At(tree(t, nil), "", "").Throttle(t.Context())
	isAbsent(t, "neither", err, "does not show whether it throttles")

	const count = "sys/devices/system/cpu/cpu%d/thermal_throttle/package_throttle_count"
	root := tree(t, map[string]string{fmt.Sprintf(count, 0): "7\n", fmt.Sprintf(count, 1): "7\n"})
	h := At(root, "", "")
	for i, step := range []struct {
		count string
		heat  bool
	}{{"7", false}, {"7", false}, {"9", true}, {"9", false}, {"0", false}} {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf(count, 1)), []byte(step.count), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := h.Throttle(t.Context()); err != nil || got.Heat != step.heat || (got.Text != "") != step.heat {
			t.Errorf("look %d: %+v %v", i, got, err)
		}
	}
}

func TestBattery(t *testing.T) {
	const at = "sys/class/power_supply/"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Battery
		none  bool
	}{
		{"none", map[string]string{at + "AC/type": "Mains", at + "AC/online": "1"}, Battery{}, true},
		{"a mouse", map[string]string{at + "hid/type": "Battery", at + "hid/scope": "Device", at + "hid/capacity": "3", at + "hid/status": "Discharging"}, Battery{}, true},
		{"plugged in", map[string]string{at + "BAT0/type": "Battery\n", at + "BAT0/capacity": "80\n", at + "BAT0/status": "Charging\n"}, Battery{Percent: 80}, false},
		{"two", map[string]string{at + "BAT0/type": "Battery", at + "BAT0/capacity": "80", at + "BAT0/status": "Not charging",
			at + "BAT1/type": "Battery", at + "BAT1/capacity": "20", at + "BAT1/status": "Discharging"}, Battery{Percent: 50, Discharging: true}, false},
	} {
		got, err := At(tree(t, c.files), "", "").Battery(t.Context())
		if c.none {
			isAbsent(t, c.name, err, "has no battery")
		} else if err != nil || *got != c.want {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
}

func TestAMD(t *testing.T) {
	const card = "sys/class/drm/card1/device/"
	got, cost, err := At(tree(t, map[string]string{
		card + "mem_info_vram_total": "17163091968\n", card + "mem_info_vram_used": "1048576\n", card + "gpu_busy_percent": "42\n",
		card + "hwmon/hwmon4/temp1_input": "51000\n", card + "hwmon/hwmon4/temp2_input": "66000\n", card + "hwmon/hwmon4/temp3_input": "-1\n",
		"sys/class/drm/card0/device/mem_info_vram_total": "100", // tells nothing else
		"sys/class/drm/card2/device/vendor":              "0x8086",
	}), "", "").GPUs(t.Context())
	if err != nil || len(got) != 2 || cost != 0 {
		t.Fatalf("%+v %v %v", got, cost, err)
	}
	if g := got[1]; g.Name != "amdgpu card1" || *g.MemoryTotal != 17163091968 || *g.MemoryUsed != 1<<20 || *g.Busy != 42 || *g.Celsius != 66 {
		t.Errorf("%+v", g)
	}
	if g := got[0]; *g.MemoryTotal != 100 || g.MemoryUsed != nil || g.Busy != nil || g.Celsius != nil {
		t.Errorf("%+v", g)
	}
}

// TestNvidia runs programs in the place of nvidia-smi, with what it is known to print.
func TestNvidia(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("these programs are shell scripts")
	}
	for _, c := range []struct {
		name, script, want, absent string
	}{
		{"two cards", `[ "$1" = "--query-gpu=name,memory.total,memory.used,utilization.gpu,temperature.gpu" ] || exit 9
echo "NVIDIA GeForce RTX 3060, 12288, 1024, 37, 61"
echo "Orin (nvgpu), [N/A], [N/A], [Not Supported], 44"`, "NVIDIA GeForce RTX 3060 12884901888 1073741824 37 61;Orin (nvgpu) - - - 44;", ""},
		{"no driver", `echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."; exit 9`, "", "couldn't communicate"},
		{"something else", `echo "one, two"`, "", "something else than asked"},
		{"it hangs", `exec sleep 60`, "", "did not answer in time"},
	} {
		script := filepath.Join(t.TempDir(), "nvidia-smi")
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		patience := 10 * time.Second
		if c.name == "it hangs" {
			patience = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		got, cost, err := At(t.TempDir(), "", script).GPUs(ctx)
		cancel()
		if c.absent != "" {
			isAbsent(t, c.name, err, c.absent)
			continue
		}
		var text strings.Builder
		for _, g := range got {
			fmt.Fprint(&text, g.Name)
			for _, v := range []any{g.MemoryTotal, g.MemoryUsed, g.Busy, g.Celsius} {
				switch v := v.(type) {
				case *uint64:
					fmt.Fprint(&text, or(v))
				case *float64:
					fmt.Fprint(&text, or(v))
				}
			}
			text.WriteString(";")
		}
		if err != nil || text.String() != c.want || cost <= 0 {
			t.Errorf("%s: %q, cost %v, %v", c.name, text.String(), cost, err)
		}
	}
	_, _, err := At(t.TempDir(), "", "").GPUs(t.Context())
	isAbsent(t, "no program and no card", err, "there is no nvidia-smi")
}

func or[T any](v *T) string {
	if v == nil {
		return " -"
	}
	return fmt.Sprint(" ", *v)
}

func TestSwapRate(t *testing.T) {
	h, now := At(t.TempDir(), "", ""), time.Now()
	if _, err := h.swap(&mem.SwapMemoryStat{}, now); err == nil {
		t.Error("swap where there is none")
	}
	for _, c := range []struct {
		in, out uint64
		want    uint64
	}{{100, 50, 0}, {1100, 1050, 200}, {1100, 1050, 0}, {0, 0, 0}} { // the last: counted anew
		now = now.Add(10 * time.Second)
		if got, err := h.swap(&mem.SwapMemoryStat{Total: 1 << 30, Sin: c.in, Sout: c.out}, now); err != nil || got.Rate != c.want {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
}

func TestProcMemoryAndTimes(t *testing.T) {
	linuxOnly(t)
	root := tree(t, map[string]string{
		"proc/meminfo": "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\n",
		"proc/stat":    "cpu  100 0 100 800 0 0 0 0 0 0\n",
	})
	h := At(root, "", "")
	if m, err := h.Memory(t.Context()); err != nil || m.Total != 8000000<<10 || m.Available != 2000000<<10 {
		t.Errorf("%+v %v", m, err)
	}
	_, err := h.CPU(t.Context())
	isAbsent(t, "the first look", err, "not measured yet")
	_, err = h.CPU(t.Context())
	isAbsent(t, "times that stand still", err, "stand still")
	if err := os.WriteFile(filepath.Join(root, "proc/stat"), []byte("cpu  160 0 115 820 5 0 0 0 0 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := h.CPU(t.Context()); err != nil || c.Busy != 75 || c.Cores != runtime.NumCPU() {
		t.Errorf("%+v %v", c, err)
	}
}

// TestThisMachine: whatever it shows is plausible, and what it does not has a reason.
func TestThisMachine(t *testing.T) {
	h := New(t.TempDir())
	if m, err := h.Memory(t.Context()); err != nil || m.Total < 64<<20 || m.Available > m.Total {
		t.Errorf("%+v %v", m, err)
	}
	if d, err := h.Disk(t.Context()); err != nil || d.Total == 0 || d.Free > d.Total {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := New("/no/such/folder").Disk(t.Context()); err == nil {
		t.Error("the disk of a folder that is not there")
	}
	for name, err := range map[string]error{
		"swap": second(h.Swap(t.Context())), "load": second(h.Load(t.Context())), "temperature": second(h.Temperature(t.Context())),
		"throttle": second(h.Throttle(t.Context())), "battery": second(h.Battery(t.Context())), "files": second(h.Files(t.Context())),
	} {
		if err != nil && len(err.Error()) < 10 {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(name, err)
	}
	if f, err := h.Files(t.Context()); runtime.GOOS == "linux" && (err != nil || f.Open < 3 || f.Limit < uint64(f.Open)) {
		t.Errorf("%+v %v", f, err)
	}
}

func second[T any](_ T, err error) error { return err }
