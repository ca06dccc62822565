package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/cache"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// cacheReport is what `corral cache stats` prints.
type cacheReport struct {
	cache.Stats
	// Month are the last 30 days by the ledger, over restarts.
	Month usage.Sum `json:"last_30_days"`
}

func (e *env) cacheStats() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "stats", Short: "What is kept, how often it was of use, and what that saved", Args: cobra.NoArgs,
		Example: "  corral cache stats\n  corral cache stats --json | jq .hit_rate",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			s, err := api.CacheStats(c.Context())
			if err != nil {
				return err
			}
			month, err := api.Usage(c.Context(), client.Query{"from": {time.Now().AddDate(0, 0, -30).Format(time.RFC3339)}, "by": {"model"}})
			if err != nil {
				return err
			}
			r := cacheReport{s, month.Total}
			if e.json {
				return e.print(r)
			}
			return e.tellCache(&r)
		},
	})
}

func (e *env) tellCache(r *cacheReport) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	sayf(w, "In memory:\t%s, %s of %s\n", plural(r.Entries, "answer", "answers"), size(r.Bytes), size(uint64(r.MaxBytes)))
	switch f := r.File; {
	case f == nil:
		sayf(w, "On disk:\tnone are kept there\n")
	case f.Off != "":
		sayf(w, "On disk:\tout of use: %s\n", f.Off)
	default:
		sayf(w, "On disk:\t%s, %s\n", plural(f.Entries, "answer", "answers"), size(uint64(f.FileBytes)))
	}
	if r.Questions > 0 {
		sayf(w, "Questions:\t%d can be found by one alike\n", r.Questions)
	}
	sayf(w, "Hits:\t%d of %s (%.0f %%) since the start: %d from memory, %d from disk, %d shared with a call under way, %d to a question alike\n",
		r.Memory+r.Disk+r.Flight+r.Similar, plural(r.Lookups, "lookup", "lookups"), 100*r.HitRate, r.Memory, r.Disk, r.Flight, r.Similar)
	sayf(w, "Saved:\t%s, %s, %s since the start\n", plural(r.SavedTokens, "token", "tokens"), (time.Duration(r.SavedSeconds * float64(time.Second))).Round(time.Millisecond), money(record.Nano(r.SavedNano)))
	sayf(w, "30 days:\t%d of %s answered from the cache; %s and %s saved, by the ledger\n", r.Month.CacheHits, plural(r.Month.Calls, "call", "calls"), plural(r.Month.HitTokens, "token", "tokens"), money(record.Nano(r.Month.HitSaved)))
	return w.Flush()
}

// choosing adds the flags that choose among kept answers.
func choosing(c *cobra.Command, q *client.Query) {
	var model, caller, older string
	f := c.Flags()
	f.StringVar(&model, "model", "", "only of this model: a name or a pattern such as 'llama3*'")
	f.StringVar(&caller, "caller", "", "only of this key, by its id or name")
	f.StringVar(&older, "older", "", "only what was kept at least so long ago: 90s, 12h, 7d")
	was := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		*q = client.Query{}
		if older != "" {
			var d config.Duration
			if err := d.UnmarshalText([]byte(older)); err != nil {
				return fmt.Errorf("--older: %w", err)
			}
			url.Values(*q).Set("older", time.Duration(d).String())
		}
		for name, is := range map[string]string{"model": model, "caller": caller} {
			if is != "" {
				url.Values(*q).Set(name, is)
			}
		}
		return was(c, args)
	}
}

func (e *env) cacheList() *cobra.Command {
	var q client.Query
	var limit int
	c := e.asJSON(&cobra.Command{
		Use: "list", Short: "The kept answers, newest first, without their texts", Args: cobra.NoArgs,
		Example: "  corral cache list --limit 20\n  corral cache list --model 'llama3*' --older 1h",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			if limit < 1 || limit > 10000 {
				return fmt.Errorf("--limit %d is out of range; use a number from 1 to 10000", limit)
			}
			url.Values(q).Set("limit", strconv.Itoa(limit))
			items, all, err := api.CacheList(c.Context(), q)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(map[string]any{"items": items, "all": all})
			}
			if len(items) == 0 {
				sayln(e.out, "Nothing is kept.")
				return nil
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "ID\tMODEL\tENDPOINT\tKEY\tSTORED\tEXPIRES\tSIZE\tTOKENS\tTOOK\tWHERE\n")
			who := e.callers(c.Context(), api)
			for _, it := range items {
				sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%.0f ms\t%s\n", it.ID[:12], it.Asked, it.Endpoint, cmp.Or(who.name(it.Caller), "-"), it.Stored.Local().Format("2006-01-02 15:04:05"),
					"in "+time.Until(it.Expires).Round(time.Second).String(), size(uint64(it.Bytes)), it.Tokens, it.TookMS, it.Tier)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if all > len(items) {
				sayf(e.out, "\n%d of %d; --limit shows more.\n", len(items), all)
			}
			return nil
		},
	})
	c.Flags().IntVar(&limit, "limit", 100, "at most so many, up to 10000")
	choosing(c, &q)
	return c
}

func (e *env) cacheShow() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "show ID", Short: "One kept answer, with its text", Args: oneOf("answer", "corral cache list"),
		Long:    "Shows one kept answer as a caller gets it. The beginning of its id is enough; `corral cache list` shows them.",
		Example: "  corral cache show 3f9a52c01b77",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			it, err := api.CacheShow(c.Context(), args[0])
			if err != nil {
				return err
			}
			if e.json {
				return e.print(it)
			}
			sayf(e.out, "Id:       %s\nAsked:    %s at %s\nAnswered: %s at %s, in %.0f ms, %s\nStored:   %s\nExpires:  %s\n", it.ID, it.Asked, it.Endpoint, it.Model, it.Provider, it.TookMS, plural(it.Tokens, "token", "tokens"),
				it.Stored.Local().Format(time.DateTime), it.Expires.Local().Format(time.DateTime))
			if it.Question != "" {
				sayf(e.out, "Question: %s\n", lines(it.Question))
			}
			sayf(e.out, "\n%s\n", lines(it.Answer))
			return nil
		},
	})
}

func (e *env) cacheClear() *cobra.Command {
	var q client.Query
	var everything bool
	c := e.asJSON(&cobra.Command{
		Use: "clear", Short: "Remove kept answers", Args: cobra.NoArgs,
		Long:    "Removes the kept answers that the flags choose, from memory and from disk. With --all everything goes, and what\nis left of the file cannot be read any more.",
		Example: "  corral cache clear --model 'llama3*'\n  corral cache clear --older 12h\n  corral cache clear --all",
		RunE: func(c *cobra.Command, _ []string) error {
			if everything != (len(q) == 0) {
				return errors.New("say what to remove: --model, --caller, --older, or --all by itself")
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			removed, err := api.CacheClear(c.Context(), q)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(map[string]int{"removed": removed})
			}
			sayf(e.out, "%s removed.\n", plural(removed, "kept answer", "kept answers"))
			return nil
		},
	})
	c.Flags().BoolVar(&everything, "all", false, "remove everything")
	choosing(c, &q)
	return c
}
