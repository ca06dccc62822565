package app

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os/exec"

	"github.com/ollama/ollama/api"

	"corral/daemon/config"
)

// reach makes a connection to the server at address, and sends nothing.
func reach(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	d := net.Dialer{Timeout: doctorPatience}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return c.Close()
}

// lookAtOllama looks for the program, and asks the servers on this machine which version they are.
func (d *doctor) lookAtOllama(ctx context.Context) {
	answers, wanted := false, false
	for _, p := range d.config.Providers {
		if p.Kind != config.KindOllama || !p.OnDevice() {
			continue
		}
		wanted = true
		if v, err := ollamaVersion(ctx, p.URL); err == nil {
			answers = true
			d.say("ollama", fine, "", "version %s at %s", v, p.URL)
		}
	}
	if !wanted {
		return
	}
	path, err := exec.LookPath("ollama")
	switch {
	case err == nil:
		d.say("ollama", fine, "", "the program is %s", path)
	case answers:
		d.say("ollama", fine, "", "the program is not on the PATH, yet a server answers")
	default:
		d.say("ollama", warning, "install it from https://ollama.com/download, or ./scripts/quickstart", "the program is not on the PATH, and no server answers")
	}
}

func ollamaVersion(ctx context.Context, address string) (string, error) {
	base, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	return api.NewClient(base, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Version(ctx)
}
