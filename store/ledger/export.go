package ledger

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"corral/store/ledger/record"
)

// Format of an export: one JSON object a line.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl" // entries as they are
	OCSF      Format = "ocsf"  // Open Cybersecurity Schema Framework 1.3, class API Activity (6003); ledger events are left out
)

// Export writes the entries that fit to w.
func (l *Ledger) Export(ctx context.Context, w io.Writer, format Format, f Filter) error {
	out := bufio.NewWriterSize(w, 64<<10)
	encode := json.NewEncoder(out)
	encode.SetEscapeHTML(false)
	var one func(*record.Entry) error
	switch format {
	case JSONLines:
		one = func(e *record.Entry) error { return encode.Encode(e) }
	case OCSF:
		f.Calls = true
		one = func(e *record.Entry) error { return encode.Encode(ocsf(e)) }
	default:
		return fmt.Errorf("export: no format %q: take %s or %s", format, JSONLines, OCSF)
	}
	if err := l.Scan(ctx, f, one); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return out.Flush()
}

// ocsfEvent has the fields of schema.ocsf.io/1.3.0/classes/api_activity that the ledger can fill. Attributes without a counterpart in
// the schema stand under "unmapped", as the schema asks.
type ocsfEvent struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ClassUID     int            `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	TypeUID      int            `json:"type_uid"`
	Time         int64          `json:"time"` // milliseconds
	Duration     int64          `json:"duration"`
	SeverityID   int            `json:"severity_id"`
	StatusID     int            `json:"status_id"`
	Status       string         `json:"status"`
	StatusCode   string         `json:"status_code,omitempty"`
	Metadata     map[string]any `json:"metadata"`
	Actor        map[string]any `json:"actor"`
	API          map[string]any `json:"api"`
	Source       map[string]any `json:"src_endpoint"`
	Destination  map[string]any `json:"dst_endpoint,omitempty"`
	Unmapped     map[string]any `json:"unmapped"`
}

func ocsf(e *record.Entry) ocsfEvent {
	const (
		category, class = 6, 6003
		other           = 99 // to ask a model is neither create, read, update nor delete
	)
	ev := ocsfEvent{
		ActivityID: other, ActivityName: "Infer", CategoryUID: category, CategoryName: "Application Activity", ClassUID: class,
		ClassName: "API Activity", TypeUID: class*100 + other, Time: e.Time.UnixMilli(), Duration: e.Duration.Milliseconds(),
		SeverityID: 1, StatusID: 1, Status: "Success", StatusCode: fmt.Sprint(e.Status),
		Metadata: filled{
			"version": "1.3.0", "uid": e.RequestID, "sequence": e.Seq, "correlation_uid": e.TraceID,
			"product": map[string]any{"name": "Corral", "vendor_name": "Corral"},
		}.only(),
		Actor: actor(e),
		API: filled{
			"operation": cmp.Or(e.Operation, unsaid), "request": filled{"uid": cmp.Or(e.RequestID, unsaid)}.only(),
			"service":  filled{"name": cmp.Or(e.Dialect, unsaid)}.only(),
			"response": filled{"code": e.Status, "error": e.ErrorCode}.only(),
		}.only(),
		Source: filled{"ip": e.Peer}.only(),
		Unmapped: filled{
			"model_asked": e.ModelAsked, "model_answered": e.ModelAnswered, "model_digest": e.ModelDigest, "route": e.Route,
			"tokens": e.Tokens, "cost_nano_usd": e.Cost, "flags": e.Flags, "findings": e.Findings, "policy": e.Policy, "left_to": e.Left,
			"prompt": e.Prompt, "answer": e.Answer, "erased": e.Erased,
		}.only(),
	}
	if len(ev.Source) == 0 {
		ev.Source["name"] = unsaid
	}
	if e.Provider != "" {
		ev.Destination = map[string]any{"svc_name": e.Provider}
	}
	if e.Status >= 400 || e.Flags&record.Broken != 0 {
		ev.StatusID, ev.Status, ev.SeverityID = 2, "Failure", 3
	}
	if e.Flags&(record.Blocked|record.FoundSecret|record.FoundInject) != 0 {
		ev.SeverityID = max(ev.SeverityID, 3)
	}
	return ev
}

// unsaid stands where the schema wants something and the entry has nothing, as when its details were erased.
const unsaid = "unknown"

// actor is who asked. The schema wants an app or a user, and a user to have a name or an id.
func actor(e *record.Entry) map[string]any {
	a := filled{"app_name": e.App}.only()
	user := filled{"name": e.User, "credential_uid": e.Caller}.only()
	if e.User == "" && e.Caller != "" {
		user["uid"] = e.Caller
	}
	if len(user) > 0 {
		a["user"] = user
	}
	if len(a) == 0 {
		a["app_name"] = unsaid
	}
	return a
}

// filled are attributes of which the empty ones are left out: the schema knows none that is there and says nothing.
type filled map[string]any

func (f filled) only() map[string]any {
	for name, v := range f {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(f, name)
			}
		case []record.Finding:
			if len(v) == 0 {
				delete(f, name)
			}
		case record.Text:
			if v.IsZero() {
				delete(f, name)
			}
		case record.Flags:
			if v == 0 {
				delete(f, name)
			}
		}
	}
	return f
}
