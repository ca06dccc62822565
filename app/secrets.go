package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"corral/daemon/client"
	"corral/daemon/config"
	"corral/store/secrets"
)

// secretStore is where this user's keys of providers are kept.
func (e *env) secretStore() (*secrets.Store, error) {
	dir, err := config.DataDir(e.dataFlag)
	if err != nil {
		return nil, err
	}
	p := secrets.Places{Service: config.KeyringService, Dir: filepath.Join(dir, "secrets"), Credentials: config.Credentials()}
	if config.Desktop() {
		p.Keyring = secrets.OS{}
	}
	return secrets.New(p), nil
}

func (e *env) secrets() *cobra.Command {
	c := &cobra.Command{
		Use: "secrets", Short: "The keys of providers, kept in the keyring",
		Long: `Keep the keys of cloud providers in the OS keyring, or, where there is none, in files
that only you can read. The config names them: key: keyring:openai.

A service may be given them as systemd credentials instead: corral-key-openai.`,
		Example: "  corral secrets set openai            # asks for the key\n  corral secrets set openai < key.txt\n  corral secrets list\n  corral secrets rm openai",
	}
	set := &cobra.Command{
		Use: "set NAME", Short: "Keep a key, read from the terminal or from standard input", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			store, err := e.secretStore()
			if err != nil {
				return err
			}
			key, err := e.readKey("Key for " + args[0] + ": ")
			if err != nil {
				return err
			}
			kept, err := store.Set(args[0], key)
			if err != nil {
				return err
			}
			sayf(e.out, "Kept in the %s. Name it in corral.yaml as key: keyring:%s\n", kept.Where, kept.Name)
			e.renewKeys(c.Context())
			return nil
		},
	}
	list := e.asJSON(&cobra.Command{
		Use: "list", Short: "List the names of the keys that are kept", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			store, err := e.secretStore()
			if err != nil {
				return err
			}
			kept, err := store.List()
			if err != nil {
				return err
			}
			if e.json {
				return e.print(kept)
			}
			if len(kept) == 0 {
				sayln(e.out, "No keys are kept. Keep one with `corral secrets set NAME`.")
				return nil
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "NAME\tKEPT IN\n")
			for _, k := range kept {
				sayf(w, "%s\t%s\n", k.Name, k.Where)
			}
			return w.Flush()
		},
	})
	rm := &cobra.Command{
		Use: "rm NAME", Short: "Forget a key", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			store, err := e.secretStore()
			if err != nil {
				return err
			}
			if err := store.Remove(args[0]); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			sayf(e.out, "Forgot %s.\n", args[0])
			e.renewKeys(c.Context())
			return nil
		},
	}
	c.AddCommand(set, list, rm)
	return c
}

// renewKeys has a running daemon ask for its keys anew: it may hold one that was changed or forgotten. Where that cannot be, it says so.
func (e *env) renewKeys(ctx context.Context) {
	api, err := e.client()
	if err == nil {
		err = api.Reload(ctx)
	}
	if err != nil && !errors.Is(err, client.ErrNotRunning) {
		sayln(e.err, "A running Corral goes on with the old key until its config can be read again:", lines(err.Error()))
	}
}

// maxKey bounds what is read as a key, in bytes.
const maxKey = 16 << 10

// readKey reads one line, without showing it on a terminal.
func (e *env) readKey(prompt string) (string, error) {
	if f, ok := e.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		say(e.err, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		sayln(e.err)
		return string(b), err
	}
	line, err := bufio.NewReader(io.LimitReader(e.in, maxKey)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	return line, nil
}
