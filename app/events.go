package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/budget"
	"corral/daemon/client"
	"corral/daemon/event"
)

func (e *env) events() *cobra.Command {
	var o client.EventOptions
	var number int
	c := e.asJSON(&cobra.Command{
		Use: "events", Short: "What happens in the running Corral, as it happens", Args: cobra.NoArgs,
		Long: `Tell what happens, one line each, until Ctrl-C: calls that end, retries and
fallbacks, breakers, providers that come and go, changes of the config, trouble with
the ledger, and how far long work is.

When the connection breaks it is made again, and goes on where it was. What can no
longer be told is marked as a gap.`,
		Example: `  corral events
  corral events --type breaker,provider,config
  corral events --after 0 --json      # begin with what is still held
  corral events --type breaker -n 1   # wait for the next one
  corral events --json | jq 'select(.data.status >= 500)'`,
		RunE: func(c *cobra.Command, _ []string) error {
			if number < 0 {
				return fmt.Errorf("--number %d is out of range; use a number from 0 (go on) up", number)
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			o.Broken = func(err error) {
				sayf(e.err, "The feed has ended (%v); waiting for Corral to come back.\n", err)
			}
			for x, err := range api.Events(c.Context(), o) {
				if err != nil {
					return err
				}
				if e.json {
					err = json.NewEncoder(e.out).Encode(x)
				} else {
					_, err = sayf(e.out, "%s  %-9s  %s\n", x.Time.Local().Format(time.TimeOnly), x.Event.Type(), eventWords(x.Event))
				}
				if number--; err != nil || number == 0 {
					return err
				}
			}
			return nil
		},
	})
	c.Flags().StringSliceVar(&o.Types, "type", nil, "only these: "+strings.Join(event.Names(), ", "))
	c.Flags().IntVarP(&number, "number", "n", 0, "end after so many; 0: go on")
	c.Flags().StringVar(&o.After, "after", "", "begin after the event with this id; 0: with all that is still held")
	return c
}

// eventWords says e in one line.
func eventWords(e event.Event) string {
	switch e := e.(type) {
	case event.Call:
		return callWords(e)
	case event.Load:
		return fmt.Sprintf("%s under way, %s", plural(e.InFlight, "call", "calls"), plural(e.Waiting, "of them waits", "of them wait"))
	case event.Retry:
		return fmt.Sprintf("%s is asked again: %s", named(e.Provider, e.Model), e.Cause)
	case event.Fallback:
		return fmt.Sprintf("%s answers in place of %s: %s", named(e.ToProvider, e.ToModel), named(e.Provider, e.Model), e.Cause)
	case event.Breaker:
		return fmt.Sprintf("%s: %s -> %s: %s", named(e.Provider, e.Model), e.From, e.To, e.Why)
	case event.Provider:
		if e.Reachable {
			return e.Name + " is reachable"
		}
		return e.Name + " is away: " + e.Problem
	case event.Condition:
		return fmt.Sprintf("%s: %s, was %s: %s", strings.TrimSpace(e.Code+" "+e.Subject), e.Severity, e.Was, e.Text)
	case event.Budget:
		by := ""
		if e.Who != "" {
			by = " by " + e.Scope + " " + e.Who
		}
		return fmt.Sprintf("%s is %s: %s spent%s; then %s, until %s", e.Budget, e.State, budget.Dollars(e.Spent), by, e.Then, e.Until.Local().Format(time.DateTime))
	case event.SLO:
		state := "is no longer used too fast"
		if e.Burning {
			state = "is used too fast"
		}
		return fmt.Sprintf("the error budget of %s %s (%s): burn rate %.3g over %s, %.3g over %s; threshold %g", e.Objective, state, e.Speed, e.LongRate, e.Long, e.ShortRate, e.Short, e.Threshold)
	case event.Config:
		switch {
		case !e.InForce:
			return "not in force: " + inOneLine(e.Why)
		case len(e.NeedsRestart) > 0:
			return fmt.Sprintf("in force: %s; waits for a restart: %s", strings.Join(e.Changed, ", "), strings.Join(e.NeedsRestart, ", "))
		}
		return "in force: " + cmp.Or(strings.Join(e.Changed, ", "), "read again")
	case event.Ledger:
		if e.Failing {
			return "cannot be written: " + e.Why
		}
		return "can be written again"
	case event.Progress:
		of := ""
		if e.Total > 0 {
			of = fmt.Sprintf(" of %d", e.Total)
		}
		return strings.TrimSuffix(fmt.Sprintf("%s %s, %d%s %s: %s", strings.TrimSpace(e.Task+" "+e.Subject), e.State, e.Done, of, e.Unit, e.Why), ": ")
	case event.Library:
		return fmt.Sprintf("%s %s", named(e.Provider, e.Model), e.What)
	case event.Service:
		return fmt.Sprintf("Corral %s at %s is %s", e.Version, e.Address, e.State)
	case event.Gap:
		return fmt.Sprintf("%s; %s %s", strings.ReplaceAll(e.Why, "_", " "), missed(e.Missed), e.Do)
	case event.Dropped:
		return fmt.Sprintf("too slow; %s %s", missed(e.Missed), e.Do)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func named(provider, model string) string { return strings.TrimSuffix(provider+"/"+model, "/") }

func missed(n uint64) string {
	if n == 0 {
		return "some events are not told."
	}
	return plural(n, "event is not told.", "events are not told.")
}

func callWords(e event.Call) string {
	words := []string{fmt.Sprintf("%s %s", e.Endpoint, cmp.Or(e.Model, "-"))}
	if by := named(e.Provider, e.Answered); e.Provider != "" && by != "" {
		words[0] += " by " + by
	}
	words = append(words, fmt.Sprint(e.Status), fmt.Sprintf("%.1f ms", e.MS))
	if e.TokensIn >= 0 || e.TokensOut >= 0 {
		words = append(words, count(e.TokensIn)+"/"+count(e.TokensOut)+" tokens")
	}
	words = append(words, money(e.Cost))
	for _, w := range []string{e.Code, strings.Join(e.Flags.Names(), ","), e.Key, e.App, e.User, e.RequestID} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, "  ")
}
