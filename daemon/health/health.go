// Package health says how Corral and its machine are, as named conditions: each has a code, a severity, a text and what to do.
//
// Sources look, each at its own interval and under its own deadline, and say what they found; Watch runs them; a Set keeps what
// was found last, since when, and tells of changes. A Trip keeps a noisy number from flapping. The machine's own sources are in
// machine.go; what knows of calls, providers or the ledger is a source of package daemon.
//
// To add a condition, add a row to Kinds (and to docs/operations.md, which a test compares) and let a source say it. A source
// that looked says every condition that it answers for, also the ones that are well: what it leaves out is forgotten.
//
// The surprise: what cannot be seen here (a sensor that is not there) is no zero and not well. It is absent, with the reason.
package health

import (
	"fmt"
	"time"
)

// Severity is how bad a condition is.
type Severity uint8

const (
	OK       Severity = iota
	Notice            // worth knowing
	Warning           // works, and will not for long or not as well
	Critical          // does not work, or is about to stop
)

// String is the severity's name in the API, metrics and config.
func (s Severity) String() string {
	switch s {
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	}
	return "ok"
}

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(text []byte) error {
	for *s = OK; *s <= Critical; *s++ {
		if s.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("%q is no severity", text)
}

// Condition is one thing that can be well or not.
type Condition struct {
	Code     string   `json:"code" doc:"the stable name"`
	Subject  string   `json:"subject,omitempty" doc:"what of several: a provider, provider/model, an anchor"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity" enum:"ok,notice,warning,critical"`
	Text     string   `json:"text" doc:"how it is, in a sentence"`
	// Do is a command or a line of the config.
	Do        string    `json:"do,omitempty" doc:"what mends it"`
	Absent    string    `json:"absent,omitempty" doc:"why it cannot be told on this machine, or not now; the severity is ok then and says nothing"`
	DependsOn string    `json:"depends_on,omitempty" doc:"the code of the condition that must be well for this one to mean anything"`
	Since     time.Time `json:"since" doc:"when it took this severity"`
}

// Bad reports whether the condition needs somebody.
func (c *Condition) Bad() bool { return c.Severity >= Warning }

// Name is the code, and the subject where there is one.
func (c *Condition) Name() string {
	if c.Subject == "" {
		return c.Code
	}
	return c.Code + " " + c.Subject
}

// Kind is what all conditions of one code have in common.
type Kind struct {
	Code, Title string
	Worst       Severity
	When        string // it is not well
	Do          string // unless the source says something nearer
	DependsOn   string
}

// The codes.
const (
	Paused         = "paused"
	Provider       = "provider"
	ModelPresent   = "model-present"
	ModelLoaded    = "model-loaded"
	LocalOnly      = "local-only"
	Answers        = "answers"
	Breaker        = "breaker"
	Outage         = "outage"
	Certificate    = "certificate"
	Config         = "config"
	Database       = "database"
	Ledger         = "ledger"
	LedgerGap      = "ledger-gap"
	Anchor         = "anchor"
	Budgets        = "budgets"
	SLO            = "slo"
	Cache          = "cache"
	Memory         = "memory"
	Swap           = "swap"
	Disk           = "disk"
	CPU            = "cpu"
	Load           = "load"
	Temperature    = "temperature"
	Throttling     = "throttling"
	Battery        = "battery"
	GPUTemperature = "gpu-temperature"
	GPUMemory      = "gpu-memory"
	FileHandles    = "file-handles"
	Clock          = "clock"
)

// Kinds are all there are, in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{
		{Paused, "Paused", Warning, "somebody keeps new calls out (`corral pause`)", "corral resume", ""},
		{Provider, "Model server", Critical, "a provider cannot be reached: critical for the first one, a warning for others", "start that server, or set its providers[].url in corral.yaml", ""},
		{ModelPresent, "Model present", Warning, "an Ollama on this machine does not have a model that `models` names", "corral models pull MODEL", Provider},
		{ModelLoaded, "Model loaded", Notice, "a model that `models` names is not in memory, so that its next call waits for it", "corral models load MODEL", ModelPresent},
		{LocalOnly, "Stays here", Warning, "a name that must stay (`local_only`) has a target that does not, by the config or because an Ollama passes it on: no call is sent there", "remove the target or local_only in corral.yaml", ModelPresent},
		{Answers, "Would answer", Critical, "a loaded model gave no token when it was tried (`health.probe`)", "restart the model server", Provider},
		{Breaker, "Target in use", Warning, "a target failed so often that it is left alone", "corral status", Provider},
		{Outage, "Outage by hand", Warning, "the operator makes a target fail, to see what happens", "corral outage end PROVIDER/MODEL", ""},
		{Certificate, "Certificate", Critical, "a provider's certificate ends within 14 days (critical: within 2)", "whoever runs that server must renew its certificate", ""},
		{Config, "Config", Warning, "the config file was changed and is not valid; an older one is in force", "corral config check", ""},
		{Database, "Database", Critical, "the database was damaged when Corral started, and a new one begun", "corral restore BACKUP --yes", ""},
		{Ledger, "Ledger", Critical, "the ledger cannot be written, or not be read", "make room where the data folder is, and see that Corral may write there; it goes on by itself", ""},
		{LedgerGap, "Ledger whole", Warning, "calls went by unrecorded, and the gap is not on record yet", "corral audit status", Ledger},
		{Anchor, "Anchor", Warning, "a place of `audit.anchors` does not get the signed heads", "mend that place, or name another under audit.anchors", ""},
		{Budgets, "Budgets", Warning, "a budget is used to 80 % or more, or what was spent is not known", "corral usage budgets", ""},
		{SLO, "Service levels", Warning, "an error budget is used up too fast (`slo`)", "corral slo", ""},
		{Cache, "Cache", Warning, "the file of kept answers cannot be written (notice: it was damaged, and a new one begun)", "make room where the data folder is; what is kept there may be deleted", ""},
		{Memory, "Memory", Critical, "less than `health.min_free_memory` could be had (critical: half of that)", "`ollama ps` shows the models in memory, and `ollama stop MODEL` frees one; or end another program", ""},
		{Swap, "Swap", Warning, "8 MiB a second and more go in and out for 20 s", "use a smaller model, or end another program", ""},
		{Disk, "Disk", Critical, "less than `health.min_free_disk` is free where the data folder is (critical: 64 MiB)", "free some space there; audit.max_content, audit.max_entries and audit.retention bound what the ledger keeps", ""},
		{CPU, "Processor", Notice, "over 95 % of all cores for two minutes", "queue.concurrent bounds the calls at once", ""},
		{Load, "Load", Notice, "over five minutes more than twice as many processes as cores wanted to run", "queue.concurrent bounds the calls at once", ""},
		{Temperature, "Temperature", Critical, "the hottest sensor is at `health.max_temperature` or more for 10 s (critical: 5 degrees more)", "see to the cooling, or lower queue.concurrent", ""},
		{Throttling, "Throttling", Warning, "the processor slows itself down because of heat or a weak power supply", "see to the cooling and the power supply", ""},
		{Battery, "Battery", Critical, "it runs down and has 15 % or less left (critical: 5 %)", "plug it in", ""},
		{GPUTemperature, "GPU temperature", Critical, "as `temperature`, of a graphics card", "see to the cooling, or lower queue.concurrent", ""},
		{GPUMemory, "GPU memory", Notice, "over 97 % of a graphics card's memory is used", "use a smaller model; what does not fit runs on the processor", ""},
		{FileHandles, "File handles", Critical, "over 80 % of the handles that Corral may have are open (critical: 95 %)", "raise LimitNOFILE= in the unit, or `ulimit -n`; limits.connections bounds callers", ""},
		{Clock, "Clock", Notice, "the clock was set by more than 5 s, or the machine slept, in the last 15 minutes", "let one time service set the clock (timedatectl)", ""},
	}
}

// Found is what a source says of one condition.
type Found struct {
	Code, Subject string
	Severity      Severity
	Text          string
	Do            string // empty: the kind's own
	Absent        string
}

// Absent is a condition of which nothing can be said.
func Absent(code, subject string, why error) Found {
	return Found{Code: code, Subject: subject, Absent: why.Error()}
}
