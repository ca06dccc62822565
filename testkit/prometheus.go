package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Promtool is the path of Prometheus' promtool (Debian's package prometheus has it).
func Promtool(t testing.TB) string { return installed(t, "promtool") }

func installed(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, "this needs Prometheus' %s: scripts/apt-install prometheus", program)
	}
	return path
}

// Prometheus starts a Prometheus that scrapes the target host:port each second and evaluates the rule files as often.
func Prometheus(t testing.TB, target string, rules ...string) *Server {
	t.Helper()
	path := installed(t, "prometheus")
	home := t.TempDir()
	config := "global: { scrape_interval: 1s, evaluation_interval: 1s }\nscrape_configs: [ { job_name: corral, static_configs: [ { targets: [ " + fmt.Sprintf("%q", target) + " ] } ] } ]\nrule_files:\n"
	for _, r := range rules {
		config += fmt.Sprintf("  - %q\n", r)
	}
	file := filepath.Join(home, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, name: "prometheus", Addr: FreeAddr(t), Home: home, probe: "/-/ready"}
	s.command = func() *exec.Cmd {
		c := exec.Command(path, "--config.file", file, "--storage.tsdb.path", filepath.Join(home, "data"), "--web.listen-address", s.Addr)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GOMAXPROCS=2"}
		return c
	}
	return s.start()
}
