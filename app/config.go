package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"corral/daemon/client"
	"corral/daemon/config"
)

func (e *env) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Check, show, begin or change the config file",
		Example: "  corral config init\n  corral config check\n  corral config show\n  corral config set breaker.failures 3\n  corral config edit",
	}
	check := e.asJSON(&cobra.Command{
		Use: "check [FILE]", Short: "Say what is wrong with a config file, and where", Args: cobra.MaximumNArgs(1),
		Long: "Say what is wrong with a config file: file, line, column, and what would be right. Ends with 1 if anything is.",
		RunE: func(c *cobra.Command, args []string) error {
			flag := e.configFlag
			if len(args) == 1 {
				flag = args[0]
			}
			source := config.NewSource(flag, nil)
			_, warnings, err := source.Load()
			var bad *config.Errors
			if e.json {
				v := struct {
					Path     string           `json:"path"`
					Valid    bool             `json:"valid"`
					Problems []config.Problem `json:"problems"`
					Warnings []config.Problem `json:"warnings"`
				}{source.Path, err == nil, []config.Problem{}, append([]config.Problem{}, warnings...)}
				if errors.As(err, &bad) {
					v.Problems = bad.Problems
				} else if err != nil {
					return err
				}
				if perr := e.print(v); perr != nil {
					return perr
				}
				return err
			}
			if err != nil {
				return err
			}
			for _, w := range warnings {
				sayln(e.out, lines(w.Error()))
			}
			if _, err := os.Stat(source.Path); errors.Is(err, fs.ErrNotExist) {
				sayf(e.out, "There is no %s; the defaults are in force.\n", source.Path)
				return nil
			}
			sayf(e.out, "%s is valid.\n", source.Path)
			return nil
		},
	})
	show := e.asJSON(&cobra.Command{
		Use: "show", Short: "Print the config in force: defaults, file, environment, flags", Args: cobra.NoArgs,
		Long: `Print the config in force. A running Corral is asked for it: its flags and variables
count, and a file that it could not take over does not. Where none runs, or where
--config or $CORRAL_CONFIG names another file than it has, it is what one started
here would have.`,
		RunE: func(c *cobra.Command, _ []string) error {
			v, whose, err := e.inForce(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(v)
			}
			b, err := config.Marshal(v)
			if err != nil {
				return err
			}
			for _, line := range whose {
				sayf(e.out, "# %s\n", line)
			}
			_, err = e.out.Write(b)
			return err
		},
	})
	init := &cobra.Command{
		Use: "init [FILE]", Short: "Write a config file to begin with", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			flag := e.configFlag
			if len(args) == 1 {
				flag = args[0]
			}
			path, _ := config.ConfigPath(flag)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there already, and was left as it is", path)
			}
			if err != nil {
				return err
			}
			_, err = f.WriteString(config.Sample())
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			sayf(e.out, "Wrote %s. Every line in it is optional; `corral config check` says whether it is valid.\n", path)
			return nil
		},
	}
	c.AddCommand(check, show, init, e.configEdit(), e.configDiff())
	c.AddCommand(e.configSet()...)
	return c
}

// inForce is the config of the running Corral, and whose it is; where none runs, the one that it would have, and no words.
func (e *env) inForce(ctx context.Context) (c config.Config, whose []string, err error) {
	c, whose, err = e.ofRunning(ctx)
	switch {
	case err == nil:
		return c, whose, nil
	case !errors.Is(err, client.ErrNotRunning) && !errors.Is(err, errOtherFile):
		sayf(e.err, "The running Corral does not tell its config, and this is what one started here would have: %s\n", lines(err.Error()))
	}
	c, _, err = config.NewSource(e.configFlag, nil).Load()
	return c, nil, err
}

func (e *env) ofRunning(ctx context.Context) (c config.Config, whose []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	api, err := e.client()
	if err != nil {
		return c, nil, err
	}
	f, err := api.ConfigFile(ctx)
	if err != nil {
		return c, nil, err
	}
	if here, named := config.ConfigPath(e.configFlag); named && !sameFile(here, f.Path) {
		return c, nil, errOtherFile
	}
	whose = []string{"In force in the Corral that is running, whose file is " + cmp.Or(f.Path, "none") + "."}
	if len(f.Problems) > 0 {
		whose = append(whose, "That file as it stands is not in force: "+f.Problems[0].Error())
	}
	b, err := json.Marshal(f.Effective)
	if err != nil {
		return c, nil, err
	}
	c, _, err = config.Parse("the running Corral", b)
	return c, whose, err
}

func sameFile(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}
