package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/anchor"
	"corral/daemon/client"
	"corral/store/ledger"
	"corral/store/ledger/proof"
	"corral/store/ledger/record"
)

// maxEntries is how many entries are asked for at once at most.
const maxEntries = 100000

// auditFilter is the flags that choose entries.
type auditFilter struct {
	since, until                                string
	request, caller, user, app, model, provider string
	status                                      int
	flags                                       []string
	last                                        int
}

func (f *auditFilter) add(c *cobra.Command, last int) {
	fs := c.Flags()
	fs.StringVar(&f.since, "since", "", "calls from this time on: 2h, 30d, 2026-01-31, or a full time")
	fs.StringVar(&f.until, "until", "", "calls before this time")
	fs.StringVar(&f.request, "request", "", "request id")
	fs.StringVar(&f.caller, "caller", "", "name or id of an app key, operator or page (who asked otherwise: --user, --app)")
	fs.StringVar(&f.user, "user", "", "user (Corral-User)")
	fs.StringVar(&f.app, "app", "", "app (Corral-App)")
	fs.StringVar(&f.model, "model", "", "model asked for or answering")
	fs.StringVar(&f.provider, "provider", "", "provider")
	fs.IntVar(&f.status, "status", 0, "status")
	fs.StringSliceVar(&f.flags, "flag", nil, "one of: "+strings.Join(record.FlagNames(), ", "))
	if last >= 0 {
		fs.IntVarP(&f.last, "last", "n", last, "the newest so many (0: all)")
	}
}

func (f *auditFilter) query() (client.Query, error) {
	switch {
	case f.last < 0 || f.last > maxEntries:
		return nil, fmt.Errorf("--last %d is out of range; use a number from 0 (all) to %d", f.last, maxEntries)
	case f.status != 0 && (f.status < 100 || f.status > 599):
		return nil, fmt.Errorf("--status %d is none; statuses go from 100 to 599", f.status)
	}
	q := client.Query{}
	for name, v := range map[string]string{"request": f.request, "caller": f.caller, "user": f.user, "app": f.app, "model": f.model, "provider": f.provider} {
		q.Set(name, v)
	}
	for _, v := range f.flags {
		q.Add("flag", v)
	}
	if f.status != 0 {
		q.Set("status", fmt.Sprint(f.status))
	}
	if f.last > 0 {
		q.Set("last", fmt.Sprint(f.last))
	}
	for name, v := range map[string]string{"from": f.since, "to": f.until} {
		if v == "" {
			continue
		}
		t, err := moment(v, time.Now())
		if err != nil {
			return nil, err
		}
		q.Set(name, t.Format(time.RFC3339Nano))
	}
	return q, nil
}

// moment reads a time: how long ago (2h, 30d), a day, or a full time. One before 1970, where ledgers' hours begin, is none.
func moment(s string, now time.Time) (time.Time, error) {
	t, err := anyMoment(s, now)
	if err == nil && t.Unix() < 0 {
		return t, fmt.Errorf("%q is before 1970, and no call is as old", s)
	}
	return t, err
}

func anyMoment(s string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days+"|", "%d|", &n); err == nil && n >= 0 {
			n = min(n, 1e6) // before 1970 in any case; more would come out in the future
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2h, 30d, 2026-01-31, or 2026-01-31T15:04:05Z", s)
}

func (e *env) audit() *cobra.Command {
	c := &cobra.Command{
		Use: "audit", Short: "What the ledger holds, and the proof that it is whole",
		Example: `  corral audit tail -f
  corral audit show req_1a2b
  corral audit verify
  corral audit export --since 30d --format ocsf -o calls.jsonl
  corral audit prove req_1a2b > proof.json
  corral audit verify --proof proof.json --key corral+...
  corral audit erase --user alice --yes`,
	}
	c.AddCommand(e.auditTail(), e.auditShow(), e.auditVerify(), e.auditExport(), e.auditProve(), e.auditErase(), e.auditRetain(), e.auditRotate(), e.auditStatus())
	return c
}

func (e *env) auditTail() *cobra.Command {
	var f auditFilter
	var follow bool
	c := e.asJSON(&cobra.Command{
		Use: "tail", Short: "The newest entries", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.query()
			if err != nil {
				return err
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			w, who := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0), e.callers(c.Context(), api)
			show := func(x *record.Entry) error {
				if e.json {
					return json.NewEncoder(e.out).Encode(x)
				}
				entryLine(w, x, who.name)
				return nil
			}
			if !e.json {
				sayf(w, "NO\tTIME\tREQUEST\tWHO\tMODEL\tPROVIDER\tSTATUS\tMS\tTOKENS\tCOST\tFLAGS\n")
			}
			if follow {
				if err := w.Flush(); err != nil {
					return err
				}
				err := api.Follow(c.Context(), q, func(x *record.Entry) error { return errors.Join(show(x), w.Flush()) })
				if c.Context().Err() != nil {
					return nil
				}
				return err
			}
			if !q.Has("last") {
				q.Set("last", fmt.Sprint(maxEntries))
			}
			entries, err := api.Entries(c.Context(), q)
			if err != nil {
				return err
			}
			for _, x := range entries {
				if err := show(x); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	})
	f.add(c, 20)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new ones as they come")
	return c
}

// entryLine writes an entry as a row. name is the one of a key by its id.
func entryLine(w io.Writer, x *record.Entry, name func(id string) string) {
	if x.Kind != record.Call {
		sayf(w, "%d\t%s\t-\t-\t-\t-\t-\t-\t-\t-\t%s %s\n", x.Seq, x.Time.Local().Format(time.DateTime), x.Kind, x.Note)
		return
	}
	who := cmp.Or(x.User, name(x.Caller), x.App, "-")
	sayf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%.0f\t%s/%s\t%s\t%s\n", x.Seq, x.Time.Local().Format(time.DateTime), cmp.Or(x.RequestID, "-"), who,
		cmp.Or(x.ModelAnswered, x.ModelAsked, "-"), cmp.Or(x.Provider, "-"), x.Status, float64(x.Duration.Microseconds())/1000,
		count(x.Tokens.Input), count(x.Tokens.Output), money(x.Cost), strings.Join(x.Flags.Names(), ","))
}

func count(n int64) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

// money is an amount for people: dollars, with as many digits as it takes to see a small one.
func money(m record.Money) string {
	switch {
	case !m.Known:
		return "?"
	case m.Nano == 0:
		return "$0"
	}
	sign, dollars := "$", float64(m.Nano)/1e9
	if dollars < 0 {
		sign, dollars = "-$", -dollars
	}
	s := fmt.Sprintf("%.9f", dollars)
	if dollars >= 0.01 {
		s = fmt.Sprintf("%.4f", dollars)
	}
	return sign + strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

func (e *env) auditShow() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "show REQUEST-ID|#NUMBER", Short: "One entry in full, as JSON", Args: oneOf("entry", "corral audit tail"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			x, err := api.Entry(c.Context(), args[0])
			if err != nil {
				return err
			}
			if name := e.callers(c.Context(), api).name(x.Caller); !e.json && name != x.Caller {
				sayf(e.err, "The caller %s is the key %s.\n", x.Caller, name)
			}
			return e.print(x)
		},
	})
}

func (e *env) auditStatus() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "status", Short: "Where the ledger's keys are, who signs it, how much it holds", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			s, err := api.LedgerStatus(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(s)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "Ledger\t%s\nPublic key\t%s\nTop key\t%s\nSigning key\t%s\n", s.Origin, s.PublicKey, s.TopKey, s.SigningKey)
			sayf(w, "Entries\t%d (next is #%d)\nSize\t%s entries, %s texts, %s file\n", s.Entries, s.Next, size(s.EntryBytes), size(s.ContentBytes), size(uint64(s.FileBytes)))
			for _, a := range s.Anchors {
				fails := ""
				if a.Error != "" {
					fails = "; fails: " + a.Error
				}
				sayf(w, "Anchor\t%s, has seen %s%s\n", a.Name, plural(a.Size, "entry", "entries"), fails)
			}
			if s.Failing != "" {
				sayf(w, "Failing\t%s since %s\n", s.Failing, s.FailingSince.Local().Format(time.DateTime))
			}
			return w.Flush()
		},
	})
}

func size(n uint64) string {
	for _, u := range []struct {
		name string
		is   uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.is {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.is), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

func (e *env) auditVerify() *cobra.Command {
	var proofFile, key, heads string
	c := e.asJSON(&cobra.Command{
		Use: "verify", Short: "Check that nothing in the ledger was changed, cut or added",
		Long: `Check the whole ledger: every entry against the tree of hashes, the tree against
every signed head, and those against the copies in a second place. Ends with 1 and
names the first bad entry if anything is wrong.

What a hook or a syslog holds cannot be read from here. Collect this ledger's heads
there into a file (the notes, or the lines of a log) and give it as --heads.

With --proof it checks a proof made by "corral audit prove" instead, without any
ledger or daemon, on any machine.`,
		Example: "  corral audit verify\n  journalctl -t corral -o cat | corral audit verify --heads -\n  corral audit verify --proof proof.json --key corral+1234abcd+...",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if proofFile != "" {
				return e.verifyProof(proofFile, key)
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			var given [][]byte
			if heads != "" {
				if given, err = e.readHeads(heads); err != nil {
					return err
				}
			}
			bar := e.progress("verifying")
			v, err := api.Verify(c.Context(), bar.show, given...)
			bar.end()
			if err != nil {
				return err
			}
			if e.json {
				if err := e.print(v); err != nil {
					return err
				}
				return v.Err()
			}
			return e.verified(v)
		},
	})
	c.Flags().StringVar(&heads, "heads", "", "check against the signed heads in this file too (- for standard input)")
	c.Flags().StringVar(&proofFile, "proof", "", "check this proof instead (- for standard input)")
	c.Flags().StringVar(&key, "key", "", "with --proof: the ledger's public `KEY`, which corral audit status shows")
	return c
}

// readHeads reads what was collected at a second place.
func (e *env) readHeads(file string) ([][]byte, error) {
	in := e.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	list, err := anchor.Read(in)
	if err == nil && len(list) == 0 {
		err = errors.New("there are no signed heads in it: give the notes that a hook was sent, or the lines of a log")
	}
	return list, err
}

func (e *env) verified(v *ledger.Verification) error {
	for _, p := range v.Problems {
		sayln(e.out, p)
	}
	for _, g := range v.Gaps {
		sayf(e.out, "Note: %s from %s to %s went by unrecorded, as noted afterwards: %s\n", plural(g.Calls, "call", "calls"), g.From.Local().Format(time.DateTime), g.To.Local().Format(time.DateTime), g.Reason)
	}
	for _, l := range v.Lost {
		sayf(e.out, "Note: entries #%d to #%d, which the second place has seen, were given up: %s\n", l.From, l.To-1, l.Why)
	}
	for _, was := range v.Earlier {
		sayf(e.out, "Note: this ledger follows %s, as the second place has seen. They are not here. Where that was neither damage (the first entry says so) nor your own doing, somebody took them away.\n", was)
	}
	if v.From > 0 {
		sayf(e.out, "Note: entries below #%d were removed on record (audit.keep_entries, audit.max_entries).\n", v.From)
	}
	if !v.OK() { // the problems stand above, the first bad entry first
		return fmt.Errorf("the ledger is not whole: %s", plural(len(v.Problems), "problem", "problems"))
	}
	sayf(e.out, "The ledger is whole: entries #%d to #%d.\n", v.From, v.Size-1)
	sayf(e.out, "Anchored in a second place: %s. Signed: %s. Signed heads checked: %d.\n", upTo(v, v.Anchored), upTo(v, v.Signed), v.Heads)
	if v.Erased > 0 {
		sayf(e.out, "Erased on record: %s.\n", plural(v.Erased, "entry", "entries"))
	}
	if v.Removed > 0 {
		sayf(e.out, "Texts removed on record: of %s.\n", plural(v.Removed, "entry", "entries"))
	}
	return nil
}

func (e *env) verifyProof(file, key string) error {
	if key == "" {
		return errors.New("--proof needs --key: the ledger's public key, which `corral audit status` shows where the ledger is")
	}
	in := e.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	bundle, err := io.ReadAll(io.LimitReader(in, 64<<20))
	if err != nil {
		return err
	}
	v, err := proof.Verify(bundle, key)
	if err != nil {
		return err
	}
	if e.json {
		return e.print(v)
	}
	sayf(e.out, "The proof holds: entry #%d is in the ledger, as of the head signed over %s.\n", v.Seq, plural(v.Head.Size, "entry", "entries"))
	sayf(e.out, "It is of %s, status %d.\n", v.Row.Time.UTC().Format(time.RFC3339), v.Row.Status)
	if v.Entry == nil {
		sayln(e.out, "What it says is sealed; `corral audit prove --reveal` makes a proof that shows it.")
		return nil
	}
	return e.print(v.Entry)
}

func (e *env) auditExport() *cobra.Command {
	var f auditFilter
	var format, output string
	c := &cobra.Command{
		Use: "export", Short: "Write entries as JSON lines", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			q, err := f.query()
			if err != nil {
				return err
			}
			q.Set("format", format)
			api, err := e.client()
			if err != nil {
				return err
			}
			return e.toFile(output, func(w io.Writer) error { return api.Export(c.Context(), q, w) })
		},
	}
	f.add(c, -1)
	c.Flags().StringVar(&format, "format", "jsonl", "jsonl, or ocsf (API Activity, class 6003)")
	c.Flags().StringVarP(&output, "output", "o", "-", "file to write; - for standard output")
	return c
}

// upTo says how far the entries that are there are covered, up to and without end. After old ones were removed, the heads that
// covered these cover none of the rest.
func upTo(v *ledger.Verification, end uint64) string {
	if end <= v.From {
		return "none of these yet"
	}
	return fmt.Sprintf("up to #%d", end-1)
}

// toFile writes to a new file, which is there only when all of it was written; "-" is standard output.
func (e *env) toFile(path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(e.out)
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(path + ".part")
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func (e *env) auditProve() *cobra.Command {
	var reveal bool
	var output string
	c := &cobra.Command{
		Use: "prove REQUEST-ID|#NUMBER", Short: "Make a proof that an entry is in the ledger", Args: oneOf("entry", "corral audit tail"),
		Long: "Make a proof that `corral audit verify --proof` accepts on any machine, with the ledger's public key alone.",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			return e.toFile(output, func(w io.Writer) error { return api.Prove(c.Context(), args[0], reveal, w) })
		},
	}
	c.Flags().BoolVar(&reveal, "reveal", false, "show what the entry says to whoever has the proof")
	c.Flags().StringVarP(&output, "output", "o", "-", "file to write; - for standard output")
	return c
}

func (e *env) auditErase() *cobra.Command {
	var in client.Who
	var yes bool
	c := e.asJSON(&cobra.Command{
		Use: "erase", Short: "Make a person's texts unreadable for ever, or one call's", Args: cobra.NoArgs,
		Long: `Destroy the keys of a person's entries, or of one entry. Their texts and names can
then be read neither from the file, nor its free pages, nor a backup made later.
The entries' numbers and hashes stay, and the ledger still verifies.`,
		Example: "  corral audit erase --user alice --yes\n  corral audit erase --request req_1a2b --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			if n := given(in.User, in.App, in.Caller, in.Request); n != 1 {
				return errors.New("say who: one of --user, --app, --caller or --request")
			}
			if !yes {
				return errors.New("this cannot be undone; say --yes")
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			done, err := api.Erase(c.Context(), in)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(done)
			}
			sayf(e.out, "Erased %s; entry #%d records it.\n", plural(done.Entries, "entry", "entries"), done.Seq)
			return nil
		},
	})
	fs := c.Flags()
	fs.StringVar(&in.User, "user", "", "this user's entries")
	fs.StringVar(&in.App, "app", "", "this app's entries that name neither user nor key")
	fs.StringVar(&in.Caller, "caller", "", "entries of this key, by its name or id, that name no user (of several of one name, the newest)")
	fs.StringVar(&in.Request, "request", "", "the entry of this request id")
	fs.BoolVar(&yes, "yes", false, "do it")
	return c
}

func given(s ...string) (n int) {
	for _, v := range s {
		if v != "" {
			n++
		}
	}
	return n
}

func (e *env) auditRetain() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "retain", Short: "Remove now what is beyond the config's limits", Args: cobra.NoArgs,
		Long: `Remove what is beyond the limits of age and size under "audit" in corral.yaml, which
a running Corral does at its start and once an hour. Texts go first, entries by their
own limits. The removal stands in the ledger, which still verifies.`,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			done, err := api.Retain(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(done)
			}
			if !done.Changed {
				sayln(e.out, "Nothing was beyond the limits.")
				return nil
			}
			sayf(e.out, "Gone: texts of entries below #%d, entries below #%d.\n", done.ContentBelow, done.EntriesBelow)
			if s := done.Compacted; s.After < s.Before {
				sayf(e.out, "The file shrank from %s to %s.\n", size(uint64(s.Before)), size(uint64(s.After)))
			}
			return nil
		},
	})
}

func (e *env) auditRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate-key", Short: "Exchange the ledger's top key while calls go on", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			if err := api.RotateKey(c.Context()); err != nil {
				return err
			}
			sayln(e.out, "The top key was exchanged.")
			return nil
		},
	}
}
