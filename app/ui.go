package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/client"
	"corral/daemon/config"
)

func (e *env) ui() *cobra.Command {
	var print, private, logoutAll bool
	var at string
	c := e.asJSON(&cobra.Command{
		Use: "ui", Short: "Open the page in the browser, logged in", Args: cobra.NoArgs,
		Long: `Opens Corral's page in the browser by a link that logs it in. The link works
once, for two minutes. A login lasts 12 hours at most, 30 minutes without use,
and until Corral is restarted.`,
		Example: `  corral ui
  corral ui --print              # the link, for a browser that is started otherwise
  ssh -L 11435:127.0.0.1:11435 edge-box      # there: corral ui --print; open the link here
  corral ui --print --at https://corral.example      # through a TLS proxy
  corral ui --private            # where others run web servers on this machine
  corral ui --logout-all`,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			if logoutAll {
				n, err := api.EndSessions(c.Context())
				if err != nil {
					return err
				}
				if e.json {
					return e.print(map[string]int{"ended": n})
				}
				sayf(e.out, "Logged out %s.\n", counted(n, "browser"))
				return nil
			}
			if at == "" {
				at = e.url // who names an address for this command has none that is nearer
			}
			l, err := api.Link(c.Context(), at, private)
			if err != nil {
				return err
			}
			if at != "" {
				e.warnOfPage(c.Context(), api, l.Page)
			}
			if e.json {
				return e.print(l)
			}
			if !print {
				if err = browse(l.URL); err == nil {
					sayf(e.out, "Opened %s in the browser. If it does not show, `corral ui --print` gives a link.\n", l.Page)
					return nil
				}
				sayf(e.err, "No browser opens here: %v.\n", err)
			}
			sayln(e.out, l.URL)
			sayln(e.err, "It works once, for two minutes, in a browser that reaches this address; `ssh -L` brings a browser of another machine here.")
			return nil
		},
	})
	f := c.Flags()
	f.BoolVar(&print, "print", false, "print the link and open nothing")
	f.StringVar(&at, "at", "", "address by which the browser reaches Corral; its name must stand in hosts, its origin in origins")
	f.BoolVar(&private, "private", false, "use a name for this login only, so that no other web server of this machine gets its cookie (not every browser finds it)")
	f.BoolVar(&logoutAll, "logout-all", false, "log every browser out")
	c.MarkFlagsMutuallyExclusive("logout-all", "print")
	c.MarkFlagsMutuallyExclusive("logout-all", "at")
	c.MarkFlagsMutuallyExclusive("logout-all", "private")
	return c
}

// warnOfPage tells of an address at which the running Corral would refuse a browser. It is no error: a proxy may send other names on.
func (e *env) warnOfPage(ctx context.Context, api *client.Client, page string) {
	u, err := url.Parse(page)
	if err != nil {
		return
	}
	host := strings.ToLower(u.Hostname())
	ip, _ := netip.ParseAddr(host)
	if ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return
	}
	file, err := api.ConfigFile(ctx)
	if err != nil {
		return // the link is there all the same
	}
	for _, must := range []struct{ list, has string }{{"hosts", host}, {"origins", strings.ToLower(u.Scheme + "://" + u.Host)}} {
		if has, _ := file.Effective[must.list].([]any); !slices.Contains(has, any(must.has)) {
			sayf(e.err, "Corral refuses a browser there: %s has no %s. `corral config add %[1]s %[2]s` adds it.\n", must.list, must.has)
		}
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// browserPatience is how long the program that opens a browser has to fail. Some become the browser, and stay.
const browserPatience = 3 * time.Second

var errNoDisplay = errors.New("there is no display")

// browse opens a link in the default browser. For as long as that program starts, users of this machine can see the link
// in the list of processes; package session says why that does not help them.
func browse(link string) error {
	if !config.Display() {
		return errNoDisplay
	}
	args := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if args == nil {
		args = []string{"xdg-open"}
	}
	cmd := exec.Command(args[0], append(args[1:], link)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	patience := time.NewTimer(browserPatience)
	defer patience.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	case <-patience.C: // its goroutine ends with the program, or with this process
	}
	return nil
}
