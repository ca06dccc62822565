// Package app is what a person touches on this machine: the command line. Its commands speak to a running daemon through
// daemon/client, but for `serve`, which is the daemon, and `config`, which reads a file.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"corral/app/desktop"
	"corral/daemon"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/daemon/origin"
	"corral/store"
)

// version is set when a release is built: -ldflags "-X corral/app.version=1.2.3".
var version = "dev"

// env is what a command gets from the process.
type env struct {
	in       io.Reader
	out, err io.Writer

	configFlag, dataFlag, url string
	json                      bool
}

// Main runs the command line and returns the exit code: 0, or 1 after an error, which it has told.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	e := &env{in: in, out: out, err: errOut}
	ctx, stop := untilSignal()
	defer stop()
	root := e.root()
	if len(args) == 0 && desktop.Built && config.Display() {
		args = []string{"desktop"} // who starts it from a menu or a folder wants to see something
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	sayln(errOut, "corral:", lines(err.Error()))
	if hint := hintFor(err); hint != "" {
		sayln(errOut, hint)
	}
	return 1
}

// untilSignal gives a context that ends at the first Ctrl-C or SIGTERM. The second one ends the process, at once and however
// soon it follows: signal.NotifyContext would lose it until its stop is called.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer cancel()
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case s := <-signals:
			code := 1
			if n, ok := s.(syscall.Signal); ok {
				code = 128 + int(n) // as a shell says it
			}
			os.Exit(code)
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done) }
}

func hintFor(err error) string {
	var in *store.InUseError
	var bad *config.Errors
	switch {
	case errors.As(err, &in):
		return "Another Corral is using this data folder. `corral status` shows it; use --data-dir for a second one."
	case errors.As(err, &bad):
		return "`corral config check` looks at a file without running it; `corral config init FILE` writes one to compare with."
	}
	return ""
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "corral",
		Short: "Stands in front of the AI models on this machine",
		Long: `Corral stands in front of the AI models on this machine. Apps talk to it on
http://127.0.0.1:11435 exactly as they would to Ollama, OpenAI or Anthropic.

With no config at all it fronts Ollama on its usual port.`,
		Example: `  corral serve                 # run it here
  OLLAMA_HOST=127.0.0.1:11435 ollama run llama3.2
  corral status                # how is it?`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	f := root.PersistentFlags()
	f.StringVar(&e.configFlag, "config", "", "config file (default: corral.yaml in the user's config folder; $CORRAL_CONFIG)")
	f.StringVar(&e.dataFlag, "data-dir", "", "data folder (default: corral in the user's data folder; $CORRAL_DATA_DIR)")
	f.StringVar(&e.url, "url", "", "address of a running Corral (default: where the one with this data folder listens)")
	root.AddCommand(e.serve(), e.status(), e.ask(), e.health(), e.audit(), e.events(), e.log(), e.usage(), e.slo(), e.keys(), e.secrets(), e.breaker(), e.outage(), e.explain(), e.guard(), e.providers(), e.pause(), e.resume(), e.backup(), e.restore(), e.configCommand(), e.doctor(), e.cache(), e.models(), e.ui(), e.desktop(), e.autostart(), e.version())
	root.InitDefaultCompletionCmd() // a group as well
	for _, c := range root.Commands() {
		refuseUnknown(c)
	}
	root.SetFlagErrorFunc(wrongFlag)
	return root
}

// asJSON adds --json, which every reading command has.
func (e *env) asJSON(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&e.json, "json", false, "print JSON")
	return c
}

func (e *env) print(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (e *env) client() (*client.Client, error) {
	dir, err := config.DataDir(e.dataFlag)
	if err != nil {
		return nil, err
	}
	return client.Open(dir, e.url, daemon.AddressFile)
}

func (e *env) version() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := origin.Read(version)
			if e.json {
				return e.print(v)
			}
			sayln(e.out, strings.TrimSpace(fmt.Sprintf("corral %s %s", v.Version, v.Commit)), v.Go, v.Platform)
			return nil
		},
	})
}
