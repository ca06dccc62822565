package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

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
		Use: "show", Short: "Print the config in force: defaults, file, environment", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v, _, err := config.NewSource(e.configFlag, nil).Load()
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
