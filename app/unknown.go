package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// refuseUnknown makes a word that is no command of a group an error, in c and below. Cobra shows the group's help instead and ends with
// 0, so that a script goes on as if the work were done.
func refuseUnknown(c *cobra.Command) {
	for _, sub := range c.Commands() {
		refuseUnknown(sub)
	}
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.DisableFlagsInUseLine = true
	c.Args = unknownCommand
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// oneOf wants one argument, which names a thing: none has an empty name, and the daemon could only say that it knows no such address. list is
// the command that shows such things; empty: the name is that of something new.
func oneOf(thing, list string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(1)(c, args); err != nil || strings.TrimSpace(args[0]) != "" {
			return err
		}
		if list == "" {
			return fmt.Errorf("the name of the %s is empty", thing)
		}
		return fmt.Errorf("no %s is named; `%s` shows them", thing, list)
	}
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q; see %[2]s --help", args[0], c.CommandPath())
}

// wrongFlag says what is nearer to the cause than a flag that is not known: a mistyped command before it, or a value that is none.
func wrongFlag(c *cobra.Command, err error) error {
	if c.HasSubCommands() && c.HasParent() && len(c.Flags().Args()) > 0 {
		return unknownCommand(c, c.Flags().Args())
	}
	if wrong := (*pflag.InvalidSyntaxError)(nil); errors.As(err, &wrong) {
		// It may be a private key, which is not to be said again.
		return errors.New("what begins with two dashes is taken for a flag; write -- before it, or send it to standard input where the command reads that")
	}
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" && strings.Contains(c.Use, "VALUE") {
		return fmt.Errorf("%w; write -- before a value that begins with a dash", err)
	}
	return err
}
