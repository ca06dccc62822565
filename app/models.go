package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"corral/daemon/client"
	"corral/daemon/event"
	"corral/daemon/library"
)

func (e *env) models() *cobra.Command {
	c := &cobra.Command{
		Use: "models", Short: "The models on this device: what there is, what fits, get more and remove some",
		Example: `  corral models list
  corral models pull llama3.2:1b
  corral models load llama3.2:1b --keep 2h
  corral models rm llama3.2:1b`,
	}
	c.AddCommand(e.modelsList(), e.modelsLoaded(), e.modelsShow(), e.modelsPull(), e.modelsPulls(), e.modelsCancel(), e.modelsRemove(), e.modelsLoad(), e.modelsUnload())
	return c
}

// ofProvider adds --provider, for when two servers on this device have a model of one name.
func ofProvider(c *cobra.Command, provider *string) *cobra.Command {
	c.Flags().StringVar(provider, "provider", "", "whose model it is (default: the first that has it)")
	return c
}

func (e *env) modelsList() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "What is on this device, what is in memory, and what would fit", Args: cobra.NoArgs,
		Example: "  corral models list\n  corral models list --json | jq -r '.models[] | select(.loaded) | .name'",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			l, err := api.Library(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(l)
			}
			e.tellModels(l.Models)
			for _, s := range l.Servers {
				if s.Problem != "" {
					sayln(e.err, s.Problem)
				}
			}
			if len(l.Models) == 0 {
				sayln(e.out, "There is no model on this device. `corral models pull llama3.2:1b` gets a small one.")
				return nil
			}
			if l.Memory != nil {
				free := fmt.Sprintf("%s of %s of memory are free", library.Size(l.Memory.Free), library.Size(l.Memory.Total))
				if l.VRAM != nil {
					free += fmt.Sprintf(", %s of %s on the graphics cards", library.Size(l.VRAM.Free), library.Size(l.VRAM.Total))
				}
				sayf(e.out, "\n%s.\n", free)
			}
			return nil
		},
	})
}

func (e *env) modelsLoaded() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "ps", Short: "What is in memory, and until when", Args: cobra.NoArgs,
		Example: "  corral models ps",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			l, err := api.Library(c.Context())
			if err != nil {
				return err
			}
			loaded := []library.Model{}
			for _, m := range l.Models {
				if m.Loaded != nil {
					loaded = append(loaded, m)
				}
			}
			if e.json {
				return e.print(loaded)
			}
			if len(loaded) == 0 {
				sayln(e.out, "No model is in memory. The next call loads the one that it asks for; `corral models load NAME` does it now.")
				return nil
			}
			e.tellModels(loaded)
			return nil
		},
	})
}

// told is a text, or a dash where there is none.
func told(s string) string { return cmp.Or(s, "-") }

func (e *env) tellModels(list []library.Model) {
	if len(list) == 0 {
		return
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	sayf(w, "NAME\tPROVIDER\tSIZE\tPARAMETERS\tQUANTIZATION\tCONTEXT\tIN MEMORY\tNEEDS\n")
	for _, m := range list {
		size, context, needs := "-", "-", "-"
		if m.Bytes > 0 {
			size = library.Size(m.Bytes)
		}
		if n := cmp.Or(m.Context, m.Trained); n > 0 {
			context = fmt.Sprint(n)
		}
		words := map[string]string{"fits": "fits", "tight": "fits tightly", "no": "does not fit"}
		if m.Away != "" {
			needs = "nothing: it is at " + m.Away
		}
		if word := words[m.Fit.Verdict]; word != "" {
			needs = library.Size(m.Fit.Needs) + ", " + word
		}
		sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Provider, size, told(m.Parameters), told(m.Quantization), context, inMemory(m), needs)
	}
	w.Flush()
}

// inMemory says how much of memory a model has, and for how long.
func inMemory(m library.Model) string {
	if m.Loaded == nil {
		return "-"
	}
	s := "yes"
	if m.Loaded.Bytes > 0 {
		s = library.Size(m.Loaded.Bytes)
	}
	if m.Loaded.Expires != nil {
		s += fmt.Sprintf(", %s more", max(0, time.Until(*m.Loaded.Expires)).Round(time.Second))
	}
	return s
}

func (e *env) modelsShow() *cobra.Command {
	var provider string
	return ofProvider(e.asJSON(&cobra.Command{
		Use: "show NAME", Short: "One model, what it can do, and whether it fits", Args: oneOf("model", "corral models list"),
		Example: "  corral models show llama3.2:1b",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.Model(c.Context(), provider, args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.print(m)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			line := func(name, value string) {
				if value != "" {
					sayf(w, "%s:\t%s\n", name, value)
				}
			}
			tokens := func(n int) string {
				if n == 0 {
					return ""
				}
				return plural(n, "token", "tokens")
			}
			line("Name", m.Name)
			line("Provider", m.Provider)
			if m.Bytes > 0 {
				line("Size", library.Size(m.Bytes))
			}
			line("Parameters", m.Parameters)
			line("Quantization", m.Quantization)
			line("Family", m.Family)
			line("Context", tokens(m.Context))
			line("Made for", tokens(m.Trained))
			line("Can", strings.Join(m.Capabilities, ", "))
			line("Used by", strings.Join(m.UsedBy, ", "))
			if m.Modified != nil {
				line("Changed", m.Modified.Local().Format(time.DateTime))
			}
			line("Digest", m.Digest)
			line("Runs at", m.Away)
			line("In memory", inMemory(m))
			line("Fits", m.Fit.Text)
			return w.Flush()
		},
	}), &provider)
}

func (e *env) modelsPull() *cobra.Command {
	var provider string
	var insecure, detach bool
	c := &cobra.Command{
		Use: "pull NAME", Short: "Get a model from a registry", Args: oneOf("model", ""),
		Long: `Get a model from a registry, as "ollama pull" does. Corral does the work: a model that
is on its way already is not pulled twice, and with --detach it goes on by itself.
Ctrl-C cancels it, if it was begun here. What there is of it so far is kept: pulled again, it goes on there.`,
		Example: `  corral models pull llama3.2:1b
  corral models pull hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF
  corral models pull llama3.2 --detach && corral models pulls`,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			p, joined, err := api.Pull(c.Context(), provider, args[0], insecure)
			if err != nil {
				return err
			}
			if e.json && detach {
				return e.print(p)
			}
			if detach {
				sayf(e.out, "%s is on its way; `corral models pulls` shows how far it is.\n", p.Model)
				return nil
			}
			if joined {
				sayf(e.err, "%s is on its way already.\n", p.Model)
			}
			p, err = e.followPull(c.Context(), api, p, !joined)
			switch {
			case err != nil:
				return err
			case e.json:
				return e.print(p)
			}
			sayf(e.out, "%s is there (%s, %s).\n", p.Model, library.Size(p.Total), took(p).Round(100*time.Millisecond))
			return nil
		},
	}
	c.Flags().BoolVar(&insecure, "insecure", false, "allow a registry without encryption")
	c.Flags().BoolVar(&detach, "detach", false, "do not wait for it")
	c.Flags().StringVar(&provider, "provider", "", "that gets it (default: the first Ollama on this device)")
	return e.asJSON(c)
}

func took(p library.Pull) time.Duration {
	if p.Ended == nil {
		return time.Since(p.Started)
	}
	return p.Ended.Sub(p.Started)
}

// lookAtPull is how often it is asked how far a pull is, while the feed is silent.
const lookAtPull = 2 * time.Second

var errPullGoesOn = errors.New("it goes on, for it was begun elsewhere; `corral models pulls` shows how far it is, `corral models cancel` ends it")

var errPullCancelled = errors.New("cancelled; what there is of it is kept, and pulled again it goes on there")

// followPull shows how far a pull is until it is over, by what the feed tells. The end of ctx cancels it if it is ours: others may wait for
// one that somebody else began.
func (e *env) followPull(ctx context.Context, api *client.Client, p library.Pull, ours bool) (library.Pull, error) {
	line := e.pullLine(p.Model)
	defer line.end()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan struct{}, 1) // something of it has changed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for x, err := range api.Events(stop, client.EventOptions{Types: []string{"progress"}}) {
			if err != nil {
				return // it is looked at all the same
			}
			if g, ok := x.Event.(event.Progress); ok && g.Task == "pull" && fmt.Sprint(g.ID) == p.ID {
				select {
				case told <- struct{}{}:
				default:
				}
			}
		}
	}()
	defer func() { cancel(); <-ended }()
	tick := time.NewTicker(lookAtPull)
	defer tick.Stop()
	for {
		if found, err := pullOf(ctx, api, p.ID); err == nil {
			p = found
		} else if ctx.Err() == nil {
			return p, err
		}
		if line.show(p); p.Over() {
			return p, verdictOn(p)
		}
		select {
		case <-told:
		case <-tick.C:
		case <-ctx.Done():
			if !ours {
				return p, errPullGoesOn
			}
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if _, err := api.CancelPull(bye, p.ID); err != nil {
				return p, fmt.Errorf("it goes on, for it could not be cancelled: %w", err)
			}
			return p, errPullCancelled
		}
	}
}

func pullOf(ctx context.Context, api *client.Client, id string) (library.Pull, error) {
	list, err := api.Pulls(ctx)
	if err != nil {
		return library.Pull{}, err
	}
	for _, p := range list {
		if p.ID == id {
			return p, nil
		}
	}
	return library.Pull{}, errors.New("this pull is not known any more; was Corral started anew? Pull again, and it goes on where it stopped")
}

// verdictOn is what became of a pull that is over; nil: it is there.
func verdictOn(p library.Pull) error {
	switch p.State {
	case library.Failed:
		return fmt.Errorf("pull %s: %s", p.Model, p.Why)
	case library.Cancelled:
		return errPullCancelled
	}
	return nil
}

// pullLine shows how far a pull is: on a terminal as one line that changes, elsewhere as a line for each tenth of it.
type pullLine struct {
	e       *env
	model   string
	tty     bool
	width   int
	written string
	step    string
	tenth   uint64
}

func (e *env) pullLine(model string) *pullLine {
	l := &pullLine{e: e, model: model}
	if f, ok := e.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.tty = true
		l.width, _, _ = term.GetSize(int(f.Fd()))
	}
	return l
}

const barWidth = 24

func (l *pullLine) show(p library.Pull) {
	if p.Over() {
		return
	}
	text := cmp.Or(p.Step, p.State)
	if p.Total > 0 {
		done := p.Done * barWidth / p.Total
		text = fmt.Sprintf("%3d %%  %s of %s", p.Done*100/p.Total, library.Size(p.Done), library.Size(p.Total))
		if l.tty {
			text = strings.Repeat("█", int(done)) + strings.Repeat("░", barWidth-int(done)) + " " + text
		}
		if p.Speed > 0 {
			text += fmt.Sprintf("  %s/s", library.Size(p.Speed))
		}
		if p.Left > 0 {
			text += fmt.Sprintf("  %s left", time.Duration(p.Left*float64(time.Second)).Round(time.Second))
		}
		if p.Step != "downloading" {
			text = p.Step
		}
	}
	if l.tty {
		if r := []rune(text); l.width > 0 && len(r) >= l.width {
			text = string(r[:l.width-1])
		}
		if text != l.written {
			sayf(l.e.err, "\r%s\033[K", text)
			l.written = text
		}
		return
	}
	tenth := uint64(0)
	if p.Total > 0 {
		tenth = p.Done * 10 / p.Total
	}
	if p.Step != l.step || tenth > l.tenth {
		sayf(l.e.err, "%s: %s\n", l.model, strings.TrimSpace(text))
		l.step, l.tenth = p.Step, tenth
	}
}

func (l *pullLine) end() {
	if l.tty && l.written != "" {
		sayf(l.e.err, "\r\033[K")
	}
}

func (e *env) modelsPulls() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "pulls", Short: "The models on their way, and the last ones that came", Args: cobra.NoArgs,
		Example: "  corral models pulls",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			list, err := api.Pulls(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(list)
			}
			if len(list) == 0 {
				sayln(e.out, "No model is on its way. `corral models pull NAME` gets one.")
				return nil
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "ID\tMODEL\tSTATE\tDONE\tOF\tSPEED\tWHY\n")
			for _, p := range list {
				speed := "-"
				if p.Speed > 0 {
					speed = library.Size(p.Speed) + "/s"
				}
				sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.Model, p.State, library.Size(p.Done), library.Size(p.Total), speed, told(p.Why))
			}
			return w.Flush()
		},
	})
}

func (e *env) modelsCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "End a pull, or take one that is over off the list", Args: oneOf("pull", "corral models pulls"),
		Example: "  corral models pulls\n  corral models cancel 3",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			p, err := api.CancelPull(c.Context(), args[0])
			if err != nil {
				return err
			}
			if p.Over() {
				sayf(e.out, "The pull of %s is off the list.\n", p.Model)
			} else {
				sayf(e.out, "The pull of %s ends; pulled again, it goes on where it stopped.\n", p.Model)
			}
			return nil
		},
	}
}

func (e *env) modelsRemove() *cobra.Command {
	var provider string
	var force bool
	c := ofProvider(e.asJSON(&cobra.Command{
		Use: "rm NAME", Aliases: []string{"remove"}, Short: "Remove a model from the disk", Args: oneOf("model", "corral models list"),
		Long: `Remove a model from the disk. One that the config names is removed with --force only:
calls for it would fail.`,
		Example: "  corral models rm llama3.2:1b\n  corral models rm llama3.2:1b --force",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.RemoveModel(c.Context(), provider, args[0], force)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(m)
			}
			sayf(e.out, "%s is removed; %s are free again, but for what other models share.\n", m.Name, library.Size(m.Bytes))
			return nil
		},
	}), &provider)
	c.Flags().BoolVar(&force, "force", false, "though the config names it")
	return c
}

func (e *env) modelsLoad() *cobra.Command {
	var provider, keep string
	c := ofProvider(e.asJSON(&cobra.Command{
		Use: "load NAME", Short: "Read a model into memory, so that the next call does not wait for that", Args: oneOf("model", "corral models list"),
		Example: "  corral models load llama3.2:1b\n  corral models load llama3.2:1b --keep forever",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.LoadModel(c.Context(), provider, args[0], keep)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(m)
			}
			sayf(e.out, "%s is in memory (%s).\n", m.Name, inMemory(m))
			return nil
		},
	}), &provider)
	c.Flags().StringVar(&keep, "keep", "", "how long it stays after its last use: 30m, 12h, forever (default: as its server does by itself)")
	return c
}

func (e *env) modelsUnload() *cobra.Command {
	var provider string
	return ofProvider(e.asJSON(&cobra.Command{
		Use: "unload NAME", Short: "Let go of a model, once the calls for it that run are over", Args: oneOf("model", "corral models list"),
		Example: "  corral models unload llama3.2:1b",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			m, err := api.UnloadModel(c.Context(), provider, args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.print(m)
			}
			if m.Loaded != nil {
				sayf(e.out, "%s is let go once the calls for it are over.\n", m.Name)
				return nil
			}
			sayf(e.out, "%s is no longer in memory.\n", m.Name)
			return nil
		},
	}), &provider)
}
