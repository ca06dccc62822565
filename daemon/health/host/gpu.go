package host

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// smi finds NVIDIA's program.
func smi() (string, bool) {
	path, err := exec.LookPath("nvidia-smi")
	return path, err == nil
}

// GPUs are the graphics processors. What asking them cost of the processor, in nvidia-smi and its part of the kernel, comes with
// them: that program may take longer than all else here together. Those of AMD stand in /sys and cost next to nothing.
func (h *Host) GPUs(ctx context.Context) (found []GPU, cost time.Duration, err error) {
	if h.root != "" || runtime.GOOS == "linux" {
		found = h.amd()
	}
	path, ok := h.smi()
	if ok {
		var more []GPU
		more, cost, err = nvidia(ctx, path)
		found = append(found, more...)
	}
	switch {
	case len(found) > 0:
		return found, cost, nil
	case err != nil:
		return nil, cost, Absent("nvidia-smi does not work: " + err.Error())
	}
	return nil, cost, Absent("there is no nvidia-smi, and no graphics card that shows itself in /sys")
}

// query is what nvidia-smi is asked for (`nvidia-smi --help-query-gpu`), one line a card. Memory is in MiB.
const query = "name,memory.total,memory.used,utilization.gpu,temperature.gpu"

func nvidia(ctx context.Context, path string) ([]GPU, time.Duration, error) {
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, path, "--query-gpu="+query, "--format=csv,noheader,nounits")
	c.Stdout, c.Stderr = &out, &said
	c.WaitDelay = time.Second // a grandchild may hold the pipe
	err := c.Run()
	var cost time.Duration
	if c.ProcessState != nil {
		cost = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("it did not answer in time")
		} else if line, _, _ := strings.Cut(strings.TrimSpace(out.String()+said.String()), "\n"); line != "" {
			err = fmt.Errorf("%w: %.200s", err, line)
		}
		return nil, cost, err
	}
	r := csv.NewReader(&out)
	r.TrimLeadingSpace, r.FieldsPerRecord = true, 5
	rows, err := r.ReadAll()
	if err != nil {
		return nil, cost, fmt.Errorf("it said something else than asked: %w", err)
	}
	var found []GPU
	for _, row := range rows {
		g := GPU{Name: row[0], MemoryTotal: mebibytes(row[1]), MemoryUsed: mebibytes(row[2]), Busy: float(row[3]), Celsius: float(row[4])}
		found = append(found, g)
	}
	return found, cost, nil
}

// float is nil for [N/A] and [Not Supported].
func float(s string) *float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return nil
	}
	return &f
}

func mebibytes(s string) *uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 43)
	if err != nil {
		return nil
	}
	n <<= 20
	return &n
}

// amd are the cards of the driver amdgpu (https://docs.kernel.org/gpu/amdgpu/driver-misc.html). Others show no memory here.
func (h *Host) amd() (found []GPU) {
	cards, _ := filepath.Glob(h.sys("class/drm/card*/device/mem_info_vram_total"))
	for _, file := range cards {
		dir := filepath.Dir(file)
		g := GPU{Name: "amdgpu " + filepath.Base(filepath.Dir(dir))}
		if name, err := read(filepath.Join(dir, "product_name")); err == nil && name != "" {
			g.Name = name
		}
		g.MemoryTotal = bytesIn(file)
		g.MemoryUsed = bytesIn(filepath.Join(dir, "mem_info_vram_used"))
		if n, err := number(filepath.Join(dir, "gpu_busy_percent")); err == nil {
			f := float64(n)
			g.Busy = &f
		}
		temps, _ := filepath.Glob(filepath.Join(dir, "hwmon/hwmon*/temp*_input"))
		for _, t := range temps {
			if n, err := number(t); err == nil && n > 0 && n < 127_000 {
				if c := float64(n) / 1000; g.Celsius == nil || c > *g.Celsius {
					g.Celsius = &c
				}
			}
		}
		found = append(found, g)
	}
	return found
}

func bytesIn(path string) *uint64 {
	n, err := number(path)
	if err != nil || n < 0 {
		return nil
	}
	u := uint64(n)
	return &u
}
