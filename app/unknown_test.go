package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Once `corral audit verfiy` printed the help of its group and ended with 0.
func TestNoCommandTakesAnUnknownSubCommandForHelp(t *testing.T) {
	groups := 0
	var walk func(c *cobra.Command, path ...string)
	walk = func(c *cobra.Command, path ...string) {
		for _, sub := range c.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name())...)
		}
		if !c.HasSubCommands() {
			return
		}
		groups++
		for _, wrong := range [][]string{{"nosuch"}, {"nosuch", "--json", "more"}} {
			var out, errs bytes.Buffer
			code := Main(append(path[:len(path):len(path)], wrong...), strings.NewReader(""), &out, &errs)
			want := fmt.Sprintf("unknown command \"nosuch\" for %q", c.CommandPath())
			if code != 1 || out.Len() > 0 || !strings.Contains(errs.String(), want) {
				t.Errorf("%s %v: %d %q %q", c.CommandPath(), wrong, code, out.String(), errs.String())
			}
		}
	}
	walk((&env{}).root())
	if groups < 10 {
		t.Errorf("only %d groups", groups)
	}
}

// A backtick in a flag's help is the name of its value to the flag package, so that "see `corral audit status`" became that name.
func TestHelpNamesTheValuesOfFlagsByAWord(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if value, _ := pflag.UnquoteUsage(f); strings.ContainsAny(value, " ,") {
				t.Errorf("%s --%s %q", c.CommandPath(), f.Name, value)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&env{}).root())
}
