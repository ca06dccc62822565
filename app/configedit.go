package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
)

// configSet are the commands that change single settings, and keep the rest of the file as it is.
func (e *env) configSet() []*cobra.Command {
	var dry bool
	with := func(c *cobra.Command) *cobra.Command {
		c.Flags().BoolVar(&dry, "dry-run", false, "only show what would change")
		return c
	}
	set := with(&cobra.Command{
		Use: "set FIELD VALUE", Short: "Change a setting in the config file", Args: cobra.ExactArgs(2),
		Long: `Change a setting in the config file. Comments and all other settings stay as they are.
A running Corral takes the change over at once, or says why it cannot, and then
nothing is written. An entry of a list is meant by its number from 0 or by its name.`,
		Example: "  corral config set breaker.failures 3\n  corral config set providers[openai].key env:OPENAI_API_KEY\n  corral config set hosts '[box.lan, box.local]'",
		RunE: func(c *cobra.Command, args []string) error {
			return e.editConfig(c.Context(), dry, config.Edit{Op: "set", Path: args[0], Value: config.Value(args[1])})
		},
	})
	add := with(&cobra.Command{
		Use: "add LIST VALUE", Short: "Add to a list in the config file", Args: cobra.ExactArgs(2),
		Example: "  corral config add providers '{ name: openai, kind: openai, key: keyring:openai }'\n  corral config add models '{ name: chat, targets: [ { provider: local, model: llama3.2 } ] }'\n  corral config add models[chat].targets '{ provider: openai, model: gpt-4o-mini }'",
		RunE: func(c *cobra.Command, args []string) error {
			return e.editConfig(c.Context(), dry, config.Edit{Op: "add", Path: args[0], Value: config.Value(args[1])})
		},
	})
	unset := with(&cobra.Command{
		Use: "unset FIELD", Short: "Take a setting out of the config file, so that the default holds", Args: cobra.ExactArgs(1),
		Example: "  corral config unset breaker.failures\n  corral config unset models[chat].targets[1]",
		RunE: func(c *cobra.Command, args []string) error {
			return e.editConfig(c.Context(), dry, config.Edit{Op: "remove", Path: args[0]})
		},
	})
	move := with(&cobra.Command{
		Use: "move ENTRY PLACE", Short: "Put an entry of a list at another place, counted from 0", Args: cobra.ExactArgs(2),
		Example: "  corral config move models[chat].targets[1] 0      # ask that one first",
		RunE: func(c *cobra.Command, args []string) error {
			var to int
			if _, err := fmt.Sscanf(args[1], "%d", &to); err != nil {
				return fmt.Errorf("%q is not a place; write a number from 0", args[1])
			}
			return e.editConfig(c.Context(), dry, config.Edit{Op: "move", Path: args[0], To: to})
		},
	})
	return []*cobra.Command{set, add, unset, move}
}

// configDiff shows what a file would change.
func (e *env) configDiff() *cobra.Command {
	return &cobra.Command{
		Use: "diff FILE", Short: "Show what would change if FILE were the config", Args: cobra.ExactArgs(1),
		Example: "  corral config diff new.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			source := config.NewSource(e.configFlag, nil)
			was, err := source.Text()
			if err != nil {
				return err
			}
			next, err := config.Source{Path: args[0], Explicit: true}.Text()
			if err == nil && next == nil {
				err = fmt.Errorf("%s is not there", args[0])
			}
			if err != nil {
				return err
			}
			a, _ := config.Shown(was)
			b, _ := config.Shown(next)
			say(e.out, lines(config.Diff(filepath.Base(source.Path), a, b)))
			_, _, err = config.Parse(args[0], next)
			return err
		},
	}
}

// configEdit opens the file in the person's editor.
func (e *env) configEdit() *cobra.Command {
	return &cobra.Command{
		Use: "edit", Short: "Open the config file in your editor, and check it before it is written", Args: cobra.NoArgs,
		Long: `Open a copy of the config file in $VISUAL or $EDITOR. What you save is checked, and
written only when it is valid; else the copy stays, and where it is is said.`,
		Example: "  corral config edit\n  EDITOR=nano corral config edit",
		RunE: func(c *cobra.Command, _ []string) error {
			source := config.NewSource(e.configFlag, nil)
			was, err := source.Text()
			if err != nil {
				return err
			}
			begin := string(was)
			if was == nil {
				begin = config.Sample()
			}
			dir, err := os.MkdirTemp("", "corral-config-")
			if err != nil {
				return err
			}
			draft := filepath.Join(dir, "corral.yaml")
			if err := os.WriteFile(draft, []byte(begin), 0o600); err != nil {
				return err
			}
			words := config.Editor()
			editor := exec.CommandContext(c.Context(), words[0], append(words[1:], draft)...)
			editor.Stdin, editor.Stdout, editor.Stderr = e.in, e.out, e.err
			if err := editor.Run(); err != nil {
				return errors.Join(fmt.Errorf("run %s: %w; set EDITOR to another one", words[0], err), os.RemoveAll(dir))
			}
			next, err := os.ReadFile(draft)
			if err != nil {
				return err
			}
			if string(next) == begin && was != nil {
				sayln(e.out, "Nothing was changed.")
				return os.RemoveAll(dir)
			}
			if err := e.writeConfig(c.Context(), source, was, next); err != nil {
				return fmt.Errorf("%w\nNothing was written; what you wrote is in %s", err, draft)
			}
			return os.RemoveAll(dir)
		},
	}
}

// editConfig changes the file that a running Corral has, or, where none runs, the one that it would.
func (e *env) editConfig(ctx context.Context, dry bool, edit config.Edit) error {
	source := config.NewSource(e.configFlag, nil)
	was, err := source.Text()
	if err != nil {
		return err
	}
	next, err := config.Apply(source.Path, was, []config.Edit{edit})
	if err != nil {
		return err
	}
	if dry {
		a, _ := config.Shown(was)
		b, _ := config.Shown(next)
		say(e.out, lines(config.Diff(filepath.Base(source.Path), a, b)))
		if _, _, err := source.Check(next); err != nil {
			return err
		}
		return e.tryRunning(ctx, source, config.Revision(was), edit)
	}
	return e.writeConfig(ctx, source, was, next)
}

// tryRunning has the running Corral, if there is one with this file, say what it would do.
func (e *env) tryRunning(ctx context.Context, source config.Source, revision string, edit config.Edit) error {
	api, err := e.clientOf(ctx, source)
	if errors.Is(err, client.ErrNotRunning) || errors.Is(err, errOtherFile) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := api.EditConfig(ctx, revision, true, edit)
	if err != nil {
		return err
	}
	if !r.Valid {
		return &config.Errors{Problems: r.Problems}
	}
	for _, field := range r.NeedsRestart {
		sayf(e.out, "%s would wait for a restart of Corral.\n", field)
	}
	for _, h := range r.Held {
		sayln(e.out, h)
	}
	return nil
}

func (e *env) writeConfig(ctx context.Context, source config.Source, was, next []byte) error {
	a, _ := config.Shown(was)
	b, _ := config.Shown(next)
	diff := config.Diff(filepath.Base(source.Path), a, b)
	revision := config.Revision(was)
	done, err := e.writeRunning(ctx, source, revision, was, next)
	if errors.Is(err, client.ErrNotRunning) || errors.Is(err, errOtherFile) {
		if err := source.Write(revision, next); err != nil {
			return err
		}
		say(e.out, lines(diff))
		sayf(e.out, "Wrote %s.\n", source.Path)
		return nil
	}
	if err != nil {
		return err
	}
	say(e.out, lines(diff))
	switch later := done.NeedsRestart; {
	case len(later) == 1:
		sayf(e.out, "Wrote %s; %s waits for a restart of Corral, the rest is in force.\n", source.Path, later[0])
	case len(later) > 1:
		sayf(e.out, "Wrote %s; %s wait for a restart of Corral, the rest is in force.\n", source.Path, strings.Join(later, ", "))
	case len(done.Held) > 0:
		sayf(e.out, "Wrote %s.\n", source.Path)
	default:
		sayf(e.out, "Wrote %s, and it is in force.\n", source.Path)
	}
	for _, h := range done.Held {
		sayln(e.out, h)
	}
	return nil
}

var errOtherFile = errors.New("the running Corral has another config file")

// clientOf is for the running Corral, if the file is its own.
func (e *env) clientOf(ctx context.Context, source config.Source) (*client.Client, error) {
	api, err := e.client()
	if err != nil {
		return nil, err
	}
	status, err := api.Status(ctx)
	if err != nil {
		return nil, err
	}
	if !sameFile(source.Path, status.Config.Path) {
		return nil, errOtherFile
	}
	return api, nil
}

// writeRunning lets the running Corral write, so that it refuses what it cannot take over. It looks at the file with its own flags and
// variables over it; the file must be good without the flags as well, for the next start may have none.
func (e *env) writeRunning(ctx context.Context, source config.Source, revision string, was, next []byte) (done admin.ConfigReview, err error) {
	api, err := e.clientOf(ctx, source)
	if err != nil {
		return done, err
	}
	if _, _, err := source.Check(was); err == nil { // else it is not this change that is at fault
		if _, _, err := source.Check(next); err != nil {
			return done, err
		}
	}
	return api.WriteConfig(ctx, revision, string(next))
}
