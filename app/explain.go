package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
)

func (e *env) explain() *cobra.Command {
	var in admin.Explain
	c := e.asJSON(&cobra.Command{
		Use: "explain MODEL", Short: "Say where a call would go now, and why, without making it", Args: oneOf("model", "corral ask"),
		Long: `Say what would happen to a call at this moment: which targets would be asked, in
which order, and why each one is taken or left. The same parts of Corral decide that
decide about calls; nothing is sent to a model.`,
		Example: "  corral explain chat\n  corral explain chat --tools --api ollama\n  corral explain llama3.2 --tokens 50000",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains([]string{"", "ollama", "openai", "anthropic"}, in.Dialect) {
				return errors.New("--api is one of ollama, openai, anthropic")
			}
			if !slices.Contains([]string{"", "chat", "embed"}, in.Task) {
				return errors.New("--task is one of chat, embed")
			}
			if in.Tokens < 0 || in.Tokens > admin.MaxExplained {
				return fmt.Errorf("--tokens %d is out of range; use a number from 0 to %d", in.Tokens, admin.MaxExplained)
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			in.Model = args[0]
			x, err := api.Explain(c.Context(), in)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(x)
			}
			sayln(e.out, x.Text)
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for i, k := range x.Candidates {
				sayf(w, "%d\t%s/%s\t%s\t%s\n", i+1, k.Provider, k.Model, k.Taken, k.Why)
			}
			for _, last := range x.LastResort {
				sayf(w, "\tlast resort\t\t%s\n", last)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			sayln(e.out, "Cache:", x.Cache)
			for _, line := range []string{x.Budget, x.Pressure} {
				if line != "" {
					sayln(e.out, "Also:", line)
				}
			}
			return nil
		},
	})
	f := c.Flags()
	f.StringVar(&in.Dialect, "api", "", "that the app speaks: ollama, openai or anthropic (default openai)")
	f.StringVar(&in.Task, "task", "", "chat or embed (default chat)")
	f.BoolVar(&in.Stream, "stream", false, "the answer is streamed")
	f.BoolVar(&in.Tools, "tools", false, "it brings tools")
	f.BoolVar(&in.Images, "images", false, "it brings a picture")
	f.BoolVar(&in.Greedy, "greedy", false, "it is at temperature 0")
	f.BoolVar(&in.Alone, "alone", false, "with Corral-Fallback: off")
	f.IntVar(&in.Tokens, "tokens", 0, "how long its text is, roughly")
	f.StringVar(&in.Key, "key", "", "id or name of the app's key")
	f.StringVar(&in.App, "app", "", "Corral-App")
	f.StringVar(&in.User, "user", "", "Corral-User")
	return c
}

func (e *env) outage() *cobra.Command {
	c := &cobra.Command{
		Use: "outage", Short: "Make a target fail for a while, to see what happens then",
		Long: `Make a target fail for one to ten minutes, as if its server did. Retries, breaker and
fallback act as they would. It ends by itself, and with Corral.`,
		Example: "  corral outage begin local/llama3.2 --minutes 2\n  corral outage begin local --kind hang\n  corral outage end local/llama3.2\n  corral outage list",
	}
	var kind string
	var minutes int
	begin := &cobra.Command{
		Use: "begin PROVIDER[/MODEL]", Short: "Begin one", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if minutes < 1 || minutes > 10 {
				return errors.New("--minutes is from 1 to 10")
			}
			if !slices.Contains([]string{"refuse", "hang", "error"}, kind) {
				return errors.New("--kind is one of refuse, hang, error")
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			provider, model, _ := strings.Cut(args[0], "/")
			o, err := api.BeginOutage(c.Context(), admin.NewOutage{Provider: provider, Model: model, Kind: kind, Seconds: minutes * 60})
			if err != nil {
				return err
			}
			sayf(e.out, "%s fails (%s) until %s.\n", args[0], o.Kind, o.Until.Local().Format(time.TimeOnly))
			return nil
		},
	}
	begin.Flags().StringVar(&kind, "kind", "refuse", "refuse (it cannot be reached), hang (it never answers) or error (status 500)")
	begin.Flags().IntVar(&minutes, "minutes", 1, "how long, from 1 to 10")
	end := &cobra.Command{
		Use: "end PROVIDER[/MODEL]", Short: "End one before its time", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			provider, model, _ := strings.Cut(args[0], "/")
			if err := api.EndOutage(c.Context(), provider, model); err != nil {
				return err
			}
			sayf(e.out, "The outage of %s is over.\n", args[0])
			return nil
		},
	}
	list := e.asJSON(&cobra.Command{
		Use: "list", Short: "List those that go on", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			all, err := api.Outages(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(all)
			}
			if len(all) == 0 {
				sayln(e.out, "No target is made to fail.")
			}
			for _, o := range all {
				sayf(e.out, "%s  %s  until %s\n", strings.TrimSuffix(o.Provider+"/"+o.Model, "/"), o.Kind, o.Until.Local().Format(time.TimeOnly))
			}
			return nil
		},
	})
	c.AddCommand(begin, end, list)
	return c
}

func (e *env) providers() *cobra.Command {
	c := &cobra.Command{
		Use: "providers", Short: "Try whether model servers answer and take their keys",
		Example: "  corral providers test local",
	}
	test := e.asJSON(&cobra.Command{
		Use: "test NAME", Short: "Try one of the config", Args: oneOf("provider", "corral status"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			t, err := api.TestProvider(c.Context(), admin.ProviderTest{Name: args[0]})
			if err != nil {
				return err
			}
			if e.json {
				return e.print(t)
			}
			if t.Problem != "" {
				return fmt.Errorf("%s: %s; %s", args[0], t.Problem, t.Do)
			}
			said := fmt.Sprintf("%s answers in %.0f ms", args[0], t.MS)
			if t.Version != "" {
				said += " (version " + t.Version + ")"
			}
			if t.Auth == "ok" {
				said += ", takes its key"
			}
			sayf(e.out, "%s and has %s.\n", said, plural(len(t.Models), "model", "models"))
			return nil
		},
	})
	c.AddCommand(test)
	return c
}
