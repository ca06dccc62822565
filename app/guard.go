package app

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
)

func (e *env) guard() *cobra.Command {
	c := e.asJSON(&cobra.Command{
		Use: "guard", Short: "What is looked for in the text of calls, and what was found", Args: cobra.NoArgs,
		Long: `Say what the guard does about credentials, personal data and attempts to take the
model over, and what it has found since Corral started. Which calls these were is in
the ledger: corral audit tail --flag pii (or secret, injection, redacted, blocked).`,
		Example: "  corral guard\n  corral config set guard.pii redact-for-cloud\n  corral guard try 'Write to ann@example.org'\n  corral audit tail --flag redacted",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			x, err := api.Guard(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(x)
			}
			return e.texts(&x)
		},
	})
	c.AddCommand(e.tryGuard())
	return c
}

// texts tells what is in force and was found.
func (e *env) texts(x *admin.Texts) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{{"secrets", x.Secrets}, {"pii", x.PII}, {"injection", x.Injection}} {
		sayf(w, "%s\t%s\t%s\n", row[0], row[1], map[string]string{
			"off": "not looked for", "flag": "written down", "redact-for-cloud": "hidden from targets that are not on this device",
			"redact": "hidden from all targets", "block": "the call is refused"}[row[1]])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if x.Secrets == "off" && x.PII == "off" && x.Injection == "off" {
		sayf(e.out, "\nNothing is looked for. To hide personal data from the cloud: corral config set guard.pii redact-for-cloud\n")
		return nil
	}
	if len(x.Found) == 0 {
		sayf(e.out, "\nNothing was found since Corral started.\n")
		return nil
	}
	sayf(e.out, "\nFound since Corral started:\n")
	sayf(w, "WHAT\tKIND\tDONE\tTIMES\n")
	for _, f := range x.Found {
		sayf(w, "%s\t%s\t%s\t%d\n", f.Class, f.Kind, map[string]string{"flag": "written down", "redact": "hidden", "block": "refused"}[f.Action], f.Count)
	}
	return w.Flush()
}

func (e *env) tryGuard() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "try [TEXT]", Short: "Say what the guard would find in a text",
		Long: `Look at a text as if an app had sent it, for all that the guard knows, whatever the
config says. Nothing is sent to a model, and nothing of the text is kept. Without a
text it is read from standard input.`,
		Example: "  corral guard try 'Write to ann@example.org'\n  corral guard try < letter.txt",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			text := strings.Join(args, " ")
			if text == "" {
				b, err := io.ReadAll(io.LimitReader(e.in, admin.MaxTried+1))
				if err != nil {
					return err
				}
				text = string(b)
			}
			switch {
			case len(text) > admin.MaxTried:
				return fmt.Errorf("the text is over %d MiB; try a part of it", admin.MaxTried>>20)
			case strings.TrimSpace(text) == "":
				return errors.New("there is no text; write it behind the command, or send it to standard input")
			case !utf8.ValidString(text):
				return errors.New("the text is not UTF-8, as that of calls is")
			}
			x, err := api.TryGuard(c.Context(), text)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(x)
			}
			if len(x.Places) == 0 {
				sayln(e.out, "No credential and no personal data.")
			} else {
				w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
				for _, p := range x.Places {
					sayf(w, "%s\t%s\tbytes %d to %d\n", p.Class, p.Kind, p.From, p.To)
				}
				if err := w.Flush(); err != nil {
					return err
				}
				sayf(e.out, "\nA target that must not see it would get:\n")
				sayln(e.out, lines(strings.TrimSuffix(x.Masked, "\n")))
			}
			if x.Injection {
				sayf(e.out, "\nIt looks like an attempt to take the model over (%s, score %.2f).\n", x.Why, x.Score)
			} else {
				sayf(e.out, "\nIt does not look like an attempt to take the model over (score %.2f).\n", x.Score)
			}
			return nil
		},
	})
}
