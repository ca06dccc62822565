package main

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

// program is a server that this run started.
type program struct {
	url  string
	cmd  *exec.Cmd
	log  string // path of its output
	done chan struct{}
}

// fleet stops what it started, the last one first.
type fleet struct{ up []*program }

// start runs path with args and a free loopback address after them, and waits until probe answers 200.
func (f *fleet) start(path, probe, tmp string, args ...string) (*program, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p := &program{url: "http://" + addr, log: filepath.Join(tmp, fmt.Sprintf("%s-%d.log", filepath.Base(path), len(f.up))), done: make(chan struct{})}
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
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if r, err := http.Get(p.url + probe); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		if p.gone() {
			return nil, fmt.Errorf("%s ended: %s", path, p.tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s did not answer %s within 20 s: %s", path, probe, p.tail())
}

// startCorral runs it in front of upstream, as an Ollama with nothing else configured but no limit on calls: the bench makes
// more than a person would be allowed.
func startCorral(f *fleet, path, upstream, tmp string) (*program, error) {
	file := filepath.Join(tmp, "corral.yaml")
	text := fmt.Sprintf("providers:\n  - { name: local, kind: ollama, url: %q }\nlimits: { requests_per_minute: 0, concurrent: 0 }\n", upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return f.start(path, "/readyz", tmp, "serve", "--config", file, "--data-dir", filepath.Join(tmp, "data"), "--listen")
}

func (f *fleet) stop() {
	for i := len(f.up) - 1; i >= 0; i-- {
		p := f.up[i]
		p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			p.cmd.Process.Kill()
			<-p.done
		}
	}
}

func (p *program) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// rss is its resident memory in MB, 0 where that cannot be known.
func (p *program) rss() float64 {
	s, _ := proc.Read([]int{p.cmd.Process.Pid})
	return float64(s.RSS) / (1 << 20)
}

// tail is the end of what it printed.
func (p *program) tail() string {
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
