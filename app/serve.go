package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"corral/daemon"
	"corral/daemon/config"
	"corral/daemon/meter"
	"corral/store"
	"corral/store/ledger/vault"
)

func (e *env) serve() *cobra.Command {
	var listen, logLevel, logFormat, logFile string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run Corral in this terminal, or as a service",
		Long: `Run Corral until Ctrl-C or SIGTERM; then it takes no new calls and lets those under
way end, up to the config's "shutdown". A second signal ends it at once.

The config is read again when the file changes, and on SIGHUP. A file that is not
valid changes nothing.`,
		Example: `  corral serve
  corral serve --listen 127.0.0.1:8080 --log debug
  corral serve --config /etc/corral/corral.yaml --data-dir /var/lib/corral`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			flags := map[string]string{}
			for path, v := range map[string]string{"listen": listen, "telemetry.log": logLevel, "telemetry.format": logFormat, "telemetry.file": logFile} {
				if v != "" {
					flags[path] = v
				}
			}
			source := config.NewSource(e.configFlag, flags)
			dir, err := config.DataDir(e.dataFlag)
			if err != nil {
				return err
			}
			first, _, err := source.Load()
			if err != nil {
				return err
			}
			go paceCollector(c.Context())
			var level slog.LevelVar
			to := e.err
			if t := first.Telemetry; t.File != "" {
				f, err := openLogFile(t.File, int64(t.FileMaxBytes), t.FileKeep, e.err)
				if err != nil {
					return err
				}
				defer f.Close()
				sayln(e.err, "The log goes to", t.File)
				to = f
			}
			out := newBufferedLog(to)
			defer out.Close()
			hup := make(chan os.Signal, 1)
			notifyHangup(hup)
			defer signal.Stop(hup)
			reload := make(chan struct{})
			go func() {
				for {
					select {
					case <-hup:
						select {
						case reload <- struct{}{}:
						case <-c.Context().Done():
							return
						}
					case <-c.Context().Done():
						return
					}
				}
			}()
			o := daemon.Options{Config: source, DataDir: dir, Version: version, Log: newLogger(out, to, &level, first.Telemetry.Format), Level: &level, Reload: reload}
			kept, err := e.secretStore()
			if err != nil {
				return err
			}
			o.Secret, o.Secrets = kept.Get, kept
			if config.Desktop() {
				o.Keyring = vault.OSKeyring{}
			}
			if at, err := e.atLogin(map[string]string{"listen": listen, "log": logLevel, "log-file": logFile, "log-format": logFormat}); err == nil {
				o.Autostart = at
			}
			if exe, err := os.Executable(); err == nil {
				o.Check = store.CheckInChild(exe, store.CheckCommand)
			}
			return daemon.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address to listen on (config: listen)")
	c.Flags().StringVar(&logLevel, "log", "", "debug, info, warn or error (config: telemetry.log)")
	c.Flags().StringVar(&logFile, "log-file", "", "file for the log, in place of standard error (config: telemetry.file)")
	c.Flags().StringVar(&logFormat, "log-format", "", "auto, json or human (config: telemetry.format)")
	return c
}

// newLogger writes JSON lines, or lines for people where a person is looking.
func newLogger(out *bufferedLog, to any, level *slog.LevelVar, format string) *slog.Logger {
	human := format == "human"
	if f, ok := to.(*os.File); ok && format == "auto" {
		human = term.IsTerminal(int(f.Fd()))
	}
	o := &slog.HandlerOptions{Level: level}
	if !human {
		return slog.New(&prompt{slog.NewJSONHandler(out, o), out})
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.New(&prompt{slog.NewTextHandler(out, o), out})
}

// prompt writes at once what is not a call's own line: there is little of it, and it may be the last that is heard of a
// process.
type prompt struct {
	slog.Handler
	out *bufferedLog
}

func (h *prompt) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Message != meter.CallMessage || r.Level > slog.LevelInfo {
		h.out.flush()
	}
	return err
}

func (h *prompt) WithAttrs(as []slog.Attr) slog.Handler {
	return &prompt{h.Handler.WithAttrs(as), h.out}
}
func (h *prompt) WithGroup(name string) slog.Handler {
	return &prompt{h.Handler.WithGroup(name), h.out}
}
