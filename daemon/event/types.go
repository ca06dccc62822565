package event

import (
	"reflect"
	"time"

	"corral/store/ledger/record"
)

// Event is something that happened. Its JSON is what readers get as data.
type Event interface {
	// Type is the event's name in the feed.
	Type() string
	// size is how many bytes its texts hold, for the bound on what is kept.
	size() int
}

// Types are all types of events, for the filter, the description of the API, and those who read the feed back. A new type
// stands here, and below with its fields; then it is published with Bus.Publish where it happens. What comes with calls
// stands in frequent as well.
func Types() []Event {
	return []Event{Call{}, Load{}, Retry{}, Fallback{}, Breaker{}, Outage{}, Provider{}, Condition{}, Budget{}, SLO{}, Config{}, Ledger{}, Progress{}, Library{}, Service{}, Gap{}, Dropped{}}
}

// frequent says of an event that calls bring it about. These have a store of their own: a busy minute would push a breaker
// that opened out of the feed otherwise.
func frequent(e Event) bool {
	switch e.(type) {
	case Call, Load, Retry, Fallback:
		return true
	}
	return false
}

// Call is a call that is over: answered, refused, failed or left by its caller.
type Call struct {
	RequestID string       `json:"request_id"`
	TraceID   string       `json:"trace_id,omitempty"`
	Dialect   string       `json:"dialect" doc:"the API that the app speaks: ollama, openai, anthropic"`
	Endpoint  string       `json:"endpoint"`
	Model     string       `json:"model,omitempty" doc:"asked for"`
	Answered  string       `json:"answered,omitempty" doc:"the model that answered, by the provider's own name"`
	Provider  string       `json:"provider,omitempty"`
	Route     string       `json:"route,omitempty" doc:"why this target, as in Corral-Route"`
	Status    int          `json:"status" doc:"as the caller saw it; 499: it left"`
	Code      string       `json:"code,omitempty" doc:"of a failure"`
	Flags     record.Flags `json:"flags,omitempty" doc:"as in the ledger, such as cache-hit or left-device"`
	MS        float64      `json:"ms" doc:"the whole call, in milliseconds"`
	FirstMS   float64      `json:"first_ms,omitempty" doc:"until the first content, in milliseconds"`
	TokensIn  int64        `json:"tokens_in" doc:"negative: not told"`
	TokensOut int64        `json:"tokens_out" doc:"negative: not told"`
	Cost      record.Money `json:"cost_nano_usd" doc:"in billionths of a US dollar; null: not known"`
	Attempts  int          `json:"attempts,omitempty" doc:"how often a target was asked"`
	Key       string       `json:"key,omitempty" doc:"the name of the app's key"`
	App       string       `json:"app,omitempty"`
	User      string       `json:"user,omitempty"`
	Others    int64        `json:"in_flight" doc:"calls that were under way when it ended"`
}

// Load is how much is under way. It is told while somebody reads the feed, once a second at most, when it has changed.
type Load struct {
	InFlight int `json:"in_flight" doc:"calls under way"`
	Waiting  int `json:"waiting" doc:"of these, how many wait for a place at a model server on this device"`
}

// Retry is a target that is asked again for the same call.
type Retry struct {
	Provider string `json:"provider"`
	Model    string `json:"model,omitempty"`
	Cause    string `json:"cause"`
}

// Fallback is another target, or a last resort, that answers in place of the first.
type Fallback struct {
	Provider   string `json:"provider" doc:"that was asked first"`
	Model      string `json:"model,omitempty"`
	ToProvider string `json:"to_provider"`
	ToModel    string `json:"to_model,omitempty"`
	Cause      string `json:"cause"`
}

// Breaker is a target that comes to be treated otherwise.
type Breaker struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	From     string `json:"from" doc:"closed, open, half-open, limited or auth"`
	To       string `json:"to" doc:"closed, open, half-open, limited or auth"`
	Why      string `json:"why"`
	Seq      uint64 `json:"seq" doc:"counts this target's changes; two that follow each other closely may be told out of order"`
}

// Outage is a target that the operator makes fail, to see what happens.
type Outage struct {
	Provider string    `json:"provider"`
	Model    string    `json:"model,omitempty" doc:"empty: all of this provider"`
	Kind     string    `json:"kind" enum:"refuse,hang,error"`
	State    string    `json:"state" enum:"begun,ended"`
	Until    time.Time `json:"until" doc:"it ends by itself"`
}

// Provider is a model server that came within reach or out of it, as seen at the last look.
type Provider struct {
	Name      string `json:"name"`
	Reachable bool   `json:"reachable"`
	Problem   string `json:"problem,omitempty"`
}

// Condition is one of Corral's or the machine's that became better or worse.
type Condition struct {
	Code     string `json:"code" doc:"the condition's name, as under /health"`
	Subject  string `json:"subject,omitempty" doc:"what of several"`
	Severity string `json:"severity" enum:"ok,notice,warning,critical"`
	Was      string `json:"was" enum:"ok,notice,warning,critical"`
	Text     string `json:"text"`
	Do       string `json:"do,omitempty" doc:"what mends it"`
}

// Budget is a budget that is nearly used up, or used up.
type Budget struct {
	Budget string    `json:"budget" doc:"in words"`
	State  string    `json:"state" enum:"nearly used up,used up"`
	Scope  string    `json:"scope" doc:"all, key, user or app"`
	Who    string    `json:"who,omitempty" doc:"whose account it is, where the budget is for each key, user or app"`
	Spent  int64     `json:"spent_nano_usd" doc:"in billionths of a US dollar"`
	Limit  int64     `json:"limit_nano_usd" doc:"in billionths of a US dollar"`
	Then   string    `json:"then" enum:"warn,local-only,refuse"`
	Until  time.Time `json:"until" doc:"when it begins anew"`
}

// SLO is an error budget that is used too fast, or no longer.
type SLO struct {
	Objective string  `json:"objective" enum:"availability,error_rate,latency_p95"`
	Speed     string  `json:"speed" enum:"fast,slow"`
	Burning   bool    `json:"burning"`
	LongRate  float64 `json:"long_rate" doc:"burn rate over the long window; 1: the budget lasts just as long as it should"`
	ShortRate float64 `json:"short_rate" doc:"the same over the short window"`
	Threshold float64 `json:"threshold" doc:"both have to reach it"`
	Long      string  `json:"long" doc:"window"`
	Short     string  `json:"short" doc:"window"`
}

// Config is what became of a change to the config.
type Config struct {
	InForce      bool     `json:"in_force"`
	Why          string   `json:"why,omitempty" doc:"it is not in force"`
	Changed      []string `json:"changed,omitempty" doc:"fields"`
	NeedsRestart []string `json:"needs_restart,omitempty" doc:"fields that wait for the next start"`
}

// Ledger is a ledger that cannot be written any more, or can again.
type Ledger struct {
	Failing bool   `json:"failing"`
	Why     string `json:"why,omitempty"`
}

// Progress is how far long work is.
type Progress struct {
	Task    string `json:"task" doc:"verify, backup, restore, pull"`
	ID      uint64 `json:"id" doc:"tells two of the same kind apart"`
	Subject string `json:"subject,omitempty" doc:"what it is about: the model of a pull"`
	State   string `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Done    uint64 `json:"done"`
	Total   uint64 `json:"total,omitempty" doc:"0: not known beforehand"`
	Unit    string `json:"unit" enum:"entries,bytes"`
	Speed   uint64 `json:"speed,omitempty" doc:"units a second, over the last seconds; told of pulls"`
	Why     string `json:"why,omitempty" doc:"it failed"`
}

// Library is a model on this device that came, went, or is in memory or no longer, by what was done in Corral.
type Library struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	What     string `json:"what" enum:"pulled,removed,loaded,unloaded"`
}

// Service is Corral itself.
type Service struct {
	State   string `json:"state" enum:"listening,stopping"`
	Version string `json:"version"`
	Address string `json:"address"`
}

// Gap says that events before the next one are not told: a reader came back too late for them. It is told to that reader
// only.
type Gap struct {
	Why    string `json:"why" enum:"restarted,too_late" doc:"restarted: the last event read is from before a start of Corral; too_late: the feed has moved on"`
	Missed uint64 `json:"missed,omitempty" doc:"how many, of all types; 0: not known"`
	Do     string `json:"do" doc:"what to do about it"`
}

// Dropped is the last event for a reader that was too slow. It is told to that reader only.
type Dropped struct {
	Missed uint64 `json:"missed" doc:"how many, of all types"`
	Do     string `json:"do" doc:"what to do about it"`
}

// Unknown is an event of a type that came after this program: what a newer Corral tells.
type Unknown struct {
	Name string
	Data []byte
}

// MarshalJSON writes it as it came.
func (e Unknown) MarshalJSON() ([]byte, error) { return e.Data, nil }

func (Call) Type() string      { return "call" }
func (Load) Type() string      { return "load" }
func (Retry) Type() string     { return "retry" }
func (Fallback) Type() string  { return "fallback" }
func (Breaker) Type() string   { return "breaker" }
func (Outage) Type() string    { return "outage" }
func (Provider) Type() string  { return "provider" }
func (Condition) Type() string { return "condition" }
func (Budget) Type() string    { return "budget" }
func (SLO) Type() string       { return "slo" }
func (Config) Type() string    { return "config" }
func (Ledger) Type() string    { return "ledger" }
func (Progress) Type() string  { return "progress" }
func (Library) Type() string   { return "library" }
func (Service) Type() string   { return "service" }
func (Gap) Type() string       { return "gap" }
func (Dropped) Type() string   { return "dropped" }
func (e Unknown) Type() string { return e.Name }

func (e Call) size() int {
	return len(e.RequestID) + len(e.TraceID) + len(e.Dialect) + len(e.Endpoint) + len(e.Model) + len(e.Answered) + len(e.Provider) +
		len(e.Route) + len(e.Code) + len(e.Key) + len(e.App) + len(e.User)
}
func (Load) size() int    { return 0 }
func (e Retry) size() int { return len(e.Provider) + len(e.Model) + len(e.Cause) }
func (e Fallback) size() int {
	return len(e.Provider) + len(e.Model) + len(e.ToProvider) + len(e.ToModel) + len(e.Cause)
}
func (e Breaker) size() int {
	return len(e.Provider) + len(e.Model) + len(e.From) + len(e.To) + len(e.Why)
}
func (e Outage) size() int {
	return len(e.Provider) + len(e.Model) + len(e.Kind) + len(e.State)
}
func (e Provider) size() int { return len(e.Name) + len(e.Problem) }
func (e Condition) size() int {
	return len(e.Code) + len(e.Subject) + len(e.Severity) + len(e.Was) + len(e.Text) + len(e.Do)
}
func (e Budget) size() int {
	return len(e.Budget) + len(e.State) + len(e.Scope) + len(e.Who) + len(e.Then)
}
func (e SLO) size() int    { return len(e.Objective) + len(e.Speed) + len(e.Long) + len(e.Short) }
func (e Config) size() int { return len(e.Why) + texts(e.Changed) + texts(e.NeedsRestart) }
func (e Ledger) size() int { return len(e.Why) }
func (e Progress) size() int {
	return len(e.Task) + len(e.Subject) + len(e.State) + len(e.Unit) + len(e.Why)
}
func (e Library) size() int { return len(e.Provider) + len(e.Model) + len(e.What) }
func (e Service) size() int { return len(e.State) + len(e.Version) + len(e.Address) }
func (e Gap) size() int     { return len(e.Why) + len(e.Do) }
func (e Dropped) size() int { return len(e.Do) }
func (e Unknown) size() int { return len(e.Name) + len(e.Data) }

func texts(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 16
	}
	return n
}

// typed finds the Go type of a name; nil: this program does not know it.
func typed(name string) reflect.Type {
	for _, e := range Types() {
		if e.Type() == name {
			return reflect.TypeOf(e)
		}
	}
	return nil
}
