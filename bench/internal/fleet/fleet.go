// Package fleet starts the servers of a bench on free loopback ports, and stops them.
package fleet

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"corral/bench/internal/proc"
)

// Program is a server that a Fleet started.
type Program struct {
	URL  string // http://127.0.0.1:PORT
	cmd  *exec.Cmd
	log  string // path of its output
	done chan struct{}
}

// Fleet stops what it started, the last one first.
type Fleet struct {
	dir string // of the programs' output
	up  []*Program
}

// New makes a Fleet whose programs print to files in dir.
func New(dir string) *Fleet { return &Fleet{dir: dir} }

// Start runs path with args and a free loopback address after them, and waits until probe answers 200.
func (f *Fleet) Start(path, probe string, args ...string) (*Program, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p := &Program{URL: "http://" + addr, log: filepath.Join(f.dir, fmt.Sprintf("%s-%d.log", filepath.Base(path), len(f.up))), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(path, append(args, addr)...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	f.up = append(f.up, p)
	client := http.Client{Timeout: 5 * time.Second}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if r, err := client.Get(p.URL + probe); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		if p.Gone() {
			return nil, fmt.Errorf("%s ended: %s", path, p.Tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s did not answer %s within 20 s: %s", path, probe, p.Tail())
}

// StartCorral runs the program at path with the text of a corral.yaml, and its data in the folder name.
func (f *Fleet) StartCorral(path, name, config string) (*Program, error) {
	file := filepath.Join(f.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return f.Start(path, "/readyz", "serve", "--config", file, "--data-dir", filepath.Join(f.dir, name), "--listen")
}

// Stop stops all of them.
func (f *Fleet) Stop() {
	for len(f.up) > 0 {
		f.up[len(f.up)-1].Stop()
		f.up = f.up[:len(f.up)-1]
	}
}

// Stop asks the program to end, and kills it after 15 s.
func (p *Program) Stop() {
	if p.cmd.Process.Signal(os.Interrupt) != nil { // Windows has no such signal
		p.cmd.Process.Kill()
	}
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// Gone reports that it has ended.
func (p *Program) Gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// RSS is its resident memory in MB, 0 where that cannot be known.
func (p *Program) RSS() float64 {
	s, _ := proc.Read([]int{p.cmd.Process.Pid})
	return float64(s.RSS) / (1 << 20)
}

// CPU is the time that it has taken of the processors so far, in seconds; 0 where that cannot be known.
func (p *Program) CPU() float64 {
	s, _ := proc.Read([]int{p.cmd.Process.Pid})
	return s.CPU
}

// Memory is what it holds for itself, and what of files it has mapped, in bytes; 0 where that cannot be known.
func (p *Program) Memory() (own, mapped int64) {
	s, _ := proc.Read([]int{p.cmd.Process.Pid})
	return s.Anon, s.RSS - s.Anon
}

// Tail is the end of what it printed.
func (p *Program) Tail() string {
	b, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
