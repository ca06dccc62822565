package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"corral/daemon/cache"
	"corral/daemon/pricing"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// Entry is one line of the ledger.
type Entry = record.Entry

// VerifyStep is a line of the answer to a verification: how far it is, and at the end what it found.
type VerifyStep struct {
	Done   uint64               `json:"done"`
	Total  uint64               `json:"total"`
	Result *ledger.Verification `json:"result,omitempty"`
	Error  string               `json:"error,omitempty"`
}

type verifyInput struct {
	Body *struct {
		Heads []string `json:"heads,omitempty" maxItems:"2000" doc:"signed heads that a hook or a syslog holds, oldest first"`
	}
}

// EntryFilter chooses entries. It is exported because huma does not look into embedded types that are not.
type EntryFilter struct {
	From     time.Time `query:"from" doc:"calls that began at this time or later"`
	To       time.Time `query:"to" doc:"calls that began before this time"`
	Request  string    `query:"request" doc:"request id"`
	Caller   string    `query:"caller" doc:"id or name of an app key, operator or page"`
	User     string    `query:"user"`
	App      string    `query:"app"`
	Model    string    `query:"model" doc:"asked for or answered"`
	Provider string    `query:"provider"`
	Status   int       `query:"status"`
	Flags    []string  `query:"flag" doc:"all of these, such as cache-hit or left-device"`
	Calls    bool      `query:"calls" doc:"calls only, none of the ledger's own events"`
	Before   uint64    `query:"before" doc:"with a number below this one; with last, page by page: the least number of the page before; 0: all"`
	Last     int       `query:"last" minimum:"0" maximum:"100000" doc:"the newest so many; 0: all"`
}

func (o *Options) filter(in *EntryFilter) (ledger.Filter, error) {
	f := ledger.Filter{From: in.From, To: in.To, RequestID: in.Request, Caller: o.keyID(in.Caller), User: in.User, App: in.App, Model: in.Model,
		Provider: in.Provider, Status: in.Status, Calls: in.Calls, Before: in.Before, Last: in.Last}
	for _, name := range in.Flags {
		flag, ok := record.ParseFlag(name)
		if !ok {
			return f, huma.Error422UnprocessableEntity("there is no flag "+name, &huma.ErrorDetail{Location: "query.flag", Message: "use one of " + strings.Join(record.FlagNames(), ", "), Value: name})
		}
		f.Flags |= flag
	}
	return f, nil
}

type entriesOutput struct {
	Body struct {
		Entries []*Entry `json:"entries"`
	}
}

type entryInput struct {
	ID     string `path:"id" doc:"request id, or #N for the entry with that number"`
	Reveal bool   `query:"reveal" doc:"proofs: show what the entry says to whoever has the proof"`
}

type entryOutput struct{ Body *Entry }

type exportInput struct {
	EntryFilter
	Format string `query:"format" enum:"jsonl,ocsf" default:"jsonl"`
}

type eraseInput struct {
	Body struct {
		User    string `json:"user,omitempty"`
		App     string `json:"app,omitempty" doc:"entries of this app that name neither user nor key"`
		Caller  string `json:"caller,omitempty" doc:"entries of this key, by its id or name, that name no user"`
		Request string `json:"request,omitempty"`
	}
}

type erasedOutput struct{ Body ledger.Erased }

type ledgerStatusOutput struct{ Body ledger.Status }

type retainedOutput struct{ Body ledger.Retained }

type usageInput struct {
	From  time.Time `query:"from"`
	To    time.Time `query:"to"`
	By    string    `query:"by" enum:"user,model,provider,app,day,hour,status,caller" default:"model"`
	Zone  string    `query:"zone" doc:"of days, such as Europe/Berlin; default UTC"`
	Limit int       `query:"limit" minimum:"0" maximum:"100000"`
}

type usageOutput struct{ Body *usage.Report }

type pricesOutput struct {
	Body struct {
		Prices   []pricing.Price `json:"prices"`
		Baseline string          `json:"baseline" doc:"the model that savings are reckoned by"`
	}
}

// described tells the OpenAPI description how types of the store look as JSON.
func described(api huma.API) {
	r := api.OpenAPI().Components.Schemas
	r.RegisterTypeAlias(reflect.TypeFor[record.Flags](), reflect.TypeFor[[]string]())
	r.RegisterTypeAlias(reflect.TypeFor[record.Money](), reflect.TypeFor[*int64]())
	r.RegisterTypeAlias(reflect.TypeFor[record.Text](), reflect.TypeFor[json.RawMessage]())
	r.RegisterTypeAlias(reflect.TypeFor[record.Kind](), reflect.TypeFor[string]())
}

// ledger is the one in use.
func (o *Options) ledger() (*ledger.Ledger, error) {
	l, err := o.Ledger()
	return l, refused(err)
}

// flushed is the ledger in use, with all on disk that happened before.
func (o *Options) flushed(ctx context.Context) (*ledger.Ledger, error) {
	l, err := o.ledger()
	if err == nil {
		err = refused(l.Flush(ctx))
	}
	return l, err
}

// audit registers what has to do with the ledger.
func audit(api huma.API, o Options) {
	get := func(role Role, id, path, summary string) huma.Operation {
		return as(role, huma.Operation{OperationID: id, Method: http.MethodGet, Path: Base + path, Summary: summary, Tags: []string{"audit"}})
	}
	post := func(role Role, id, path, summary string) huma.Operation {
		op := get(role, id, path, summary)
		op.Method = http.MethodPost
		return op
	}
	huma.Register(api, get(Read, "ledger-status", "/audit/status", "Where the ledger is, who signs it, how much it holds"),
		func(context.Context, *struct{}) (*ledgerStatusOutput, error) {
			l, err := o.ledger()
			if err != nil {
				return nil, err
			}
			s, err := l.Status()
			return &ledgerStatusOutput{s}, err
		})
	huma.Register(api, get(Admin, "list-entries", "/audit/entries", "Entries of the ledger, oldest first"),
		func(ctx context.Context, in *EntryFilter) (*entriesOutput, error) {
			f, err := o.filter(in)
			if err != nil {
				return nil, err
			}
			if f.Last == 0 {
				f.Last = 100
			}
			l, err := o.flushed(ctx)
			if err != nil {
				return nil, err
			}
			out := &entriesOutput{}
			out.Body.Entries = []*Entry{}
			err = l.Scan(ctx, f, func(e *Entry) error { out.Body.Entries = append(out.Body.Entries, e); return nil })
			return out, refused(err)
		})
	huma.Register(api, get(Admin, "get-entry", "/audit/entries/{id}", "One entry"),
		func(ctx context.Context, in *entryInput) (*entryOutput, error) {
			l, err := o.flushed(ctx)
			if err != nil {
				return nil, err
			}
			e, err := l.Get(ctx, in.ID)
			return &entryOutput{e}, refused(err)
		})
	huma.Register(api, get(Admin, "prove-entry", "/audit/entries/{id}/proof", "A proof that the entry is in the ledger, to be checked without it"),
		func(ctx context.Context, in *entryInput) (*huma.StreamResponse, error) {
			l, err := o.flushed(ctx)
			if err != nil {
				return nil, err
			}
			e, err := l.Get(ctx, in.ID)
			if err != nil {
				return nil, refused(err)
			}
			bundle, err := l.Prove(ctx, e.Seq, in.Reveal)
			if err != nil {
				return nil, refused(err)
			}
			return stream("application/json", func(w io.Writer) error { _, err := w.Write(bundle); return err }), nil
		})
	huma.Register(api, get(Admin, "follow-entries", "/audit/follow", "Entries as they come, one JSON object a line"),
		func(_ context.Context, in *EntryFilter) (*huma.StreamResponse, error) {
			f, err := o.filter(in)
			if err != nil {
				return nil, err
			}
			l, err := o.ledger()
			if err != nil {
				return nil, err
			}
			return lines(func(ctx context.Context, send func(any) error) error {
				return l.Follow(ctx, f, func(e *Entry) error { return send(e) })
			}), nil
		})
	huma.Register(api, get(Admin, "export-entries", "/audit/export", "Entries as a file, one JSON object a line"),
		func(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
			f, err := o.filter(&in.EntryFilter)
			if err != nil {
				return nil, err
			}
			l, err := o.flushed(ctx)
			if err != nil {
				return nil, err
			}
			return stream("application/x-ndjson", func(w io.Writer) error { return l.Export(ctx, w, ledger.Format(in.Format), f) }), nil
		})
	verify := post(Operate, "verify", "/audit/verify", "Check the whole ledger; progress and result, one JSON object a line")
	verify.Responses = map[string]*huma.Response{"200": {Description: "How far it is, and at the end what it found; who leaves ends it",
		Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[VerifyStep](), true, "VerifyStep")}}}}
	huma.Register(api, verify,
		func(_ context.Context, in *verifyInput) (*huma.StreamResponse, error) {
			l, err := o.ledger()
			if err != nil {
				return nil, err
			}
			v := ledger.VerifyOptions{}
			if in.Body != nil {
				for _, h := range in.Body.Heads {
					v.Heads = append(v.Heads, []byte(h))
				}
			}
			return lines(func(ctx context.Context, send func(any) error) error {
				told := o.begin("verify", "entries", 0)
				v.Progress = func(done, total uint64) {
					told.at(done, total)
					send(VerifyStep{Done: done, Total: total})
				}
				v, err := l.Verify(ctx, v)
				if err != nil {
					told.end(err)
					return send(VerifyStep{Error: err.Error()})
				}
				told.at(v.Size, v.Size)
				told.end(v.Err())
				return send(VerifyStep{Done: v.Size, Total: v.Size, Result: v})
			}), nil
		})
	huma.Register(api, post(Admin, "erase", "/audit/erase", "Destroy the keys of a person's entries, or of one entry"),
		func(ctx context.Context, in *eraseInput) (*erasedOutput, error) {
			who := ledger.Who{User: in.Body.User, App: in.Body.App, Caller: o.keyID(in.Body.Caller), RequestID: in.Body.Request}
			l, err := o.ledger()
			if err != nil {
				return nil, err
			}
			// What was answered from may hold the person's words too, and nobody else may be given them.
			if _, err := o.Cache.Clear(ctx, cache.Filter{}); err != nil {
				return nil, err
			}
			done, err := l.Erase(ctx, who)
			return &erasedOutput{done}, refused(err)
		})
	huma.Register(api, post(Admin, "retain", "/audit/retain", "Remove what is beyond the config's limits now, and not within the hour"),
		func(ctx context.Context, _ *struct{}) (*retainedOutput, error) {
			done, err := o.Retain(ctx)
			return &retainedOutput{done}, refused(err)
		})
	rotate := post(Admin, "rotate-key", "/audit/rotate-key", "Exchange the ledger's top key while calls go on")
	rotate.DefaultStatus = http.StatusNoContent
	huma.Register(api, rotate, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		l, err := o.ledger()
		if err != nil {
			return nil, err
		}
		return nil, refused(l.RotateKey(ctx))
	})
	huma.Register(api, get(Read, "usage", "/usage", "What was used and spent"),
		func(_ context.Context, in *usageInput) (*usageOutput, error) {
			by, ok := usage.ParseDimension(in.By)
			if !ok {
				return nil, huma.Error422UnprocessableEntity("usage cannot be broken down by " + in.By)
			}
			q := usage.Query{From: in.From, To: in.To, By: by, Limit: in.Limit}
			if q.To.IsZero() {
				q.To = time.Now()
			}
			if q.From.IsZero() {
				q.From = q.To.AddDate(0, 0, -30)
			}
			if in.Zone != "" {
				zone, err := time.LoadLocation(in.Zone)
				if err != nil {
					return nil, huma.Error422UnprocessableEntity("there is no time zone " + in.Zone)
				}
				q.Zone = zone
			}
			l, err := o.ledger()
			if err != nil {
				return nil, err
			}
			report, err := l.Usage(q)
			return &usageOutput{report}, refused(err)
		})
	huma.Register(api, get(Read, "prices", "/prices", "What models cost, in billionths of a US dollar for a million tokens"),
		func(context.Context, *struct{}) (*pricesOutput, error) {
			out := &pricesOutput{}
			out.Body.Prices, out.Body.Baseline = o.Prices()
			return out, nil
		})
	huma.Register(api, get(Admin, "backup", "/backup", "The database and its wrapped keys as one tar file, made while calls go on"),
		func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
			l, err := o.flushed(ctx)
			if err != nil {
				return nil, err
			}
			return stream("application/x-tar", func(w io.Writer) error {
				told := o.begin("backup", "bytes", 0)
				_, err := l.Backup(ctx, told.writer(w))
				told.end(err)
				return err
			}), nil
		})
}

// restoreOperation describes restore.
func restoreOperation(api huma.API) *huma.Operation {
	schemas := api.OpenAPI().Components.Schemas
	answer := func(text, contentType string, of reflect.Type) *huma.Response {
		return &huma.Response{Description: text, Content: map[string]*huma.MediaType{contentType: {Schema: huma.SchemaFromType(schemas, of)}}}
	}
	op := as(Owner, huma.Operation{OperationID: "restore", Method: http.MethodPost, Path: Base + "/restore", Summary: "Put a backup in the place of the database; what was there is kept beside it", Tags: []string{"audit"},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-tar": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}},
		Responses: map[string]*huma.Response{
			"200": answer("What was restored", "application/json", reflect.TypeFor[ledger.Restored]()),
			"422": answer("The backup cannot be used here; nothing has changed", "application/problem+json", reflect.TypeFor[huma.ErrorModel]()),
		}})
	return &op
}

// moving is a body that may take as long as it likes, but not stand still.
type moving struct {
	body io.Reader
	rc   *http.ResponseController
}

func (m *moving) Read(p []byte) (int, error) {
	m.rc.SetReadDeadline(time.Now().Add(stall)) // where that cannot be, the sender is trusted
	return m.body.Read(p)
}

// restore answers outside of huma, which would hold the whole backup in memory.
func restore(o Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		told := o.begin("restore", "bytes", uint64(max(r.ContentLength, 0)))
		done, err := o.Restore(r.Context(), told.reader(&moving{r.Body, http.NewResponseController(w)}))
		told.end(err)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			json.NewEncoder(w).Encode(huma.ErrorModel{Title: "Unprocessable Entity", Status: http.StatusUnprocessableEntity, Detail: err.Error()})
			return
		}
		json.NewEncoder(w).Encode(done)
	}
}

// refused gives an error of the ledger the status that it means.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrNotFound):
		return huma.Error404NotFound("the ledger has no such entry")
	case errors.Is(err, ledger.ErrUnavailable), errors.Is(err, ledger.ErrClosed):
		return huma.Error503ServiceUnavailable(err.Error())
	case errors.Is(err, vault.ErrReadOnly):
		return huma.Error409Conflict("the top key is a systemd credential, which Corral cannot change, so it cannot be exchanged here. Keep that credential: with another one the ledger does not open")
	}
	return huma.Error422UnprocessableEntity(err.Error())
}

// stream answers with what write gives, as it comes. An error after its first byte breaks the connection: half a file must
// not look like a whole one.
func stream(contentType string, write func(io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", contentType)
		if write(taken(c)) != nil {
			panic(http.ErrAbortHandler)
		}
	}}
}

// stall is how long a long answer may lie unread, or a backup that is sent may stand still: the ledger cannot be tidied meanwhile.
const stall = time.Minute

// taken is where the answer of c is written to. Whoever does not read on gets no more of it.
func taken(c huma.Context) io.Writer {
	_, w := humago.Unwrap(c)
	return &reading{w, http.NewResponseController(w)}
}

type reading struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (r *reading) Write(p []byte) (int, error) {
	r.rc.SetWriteDeadline(time.Now().Add(stall)) // where that cannot be, the reader is trusted
	return r.ResponseWriter.Write(p)
}

func (r *reading) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// lines answers with one JSON object a line, each sent at once.
func lines(run func(ctx context.Context, send func(any) error) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/x-ndjson")
		_, w := humago.Unwrap(c)
		rc := http.NewResponseController(w)
		enc := json.NewEncoder(taken(c))
		err := run(c.Context(), func(v any) error {
			if err := enc.Encode(v); err != nil {
				return err
			}
			return rc.Flush()
		})
		if err != nil && c.Context().Err() == nil {
			panic(http.ErrAbortHandler)
		}
	}}
}
