package config

import "time"

// Config is everything a person may set. It is never changed after Load: a reload makes a new one, so readers may share
// its slices but not write to them.
type Config struct {
	Listen    string     `koanf:"listen"`    // host:port; loopback unless Auth is required
	Auth      Auth       `koanf:"auth"`      // who may call the app-facing API
	Hosts     []string   `koanf:"hosts"`     // Host names answered beside loopback's and the listener's own; lower case
	Origins   []string   `koanf:"origins"`   // web origins allowed beside localhost's, e.g. https://app.example.org; lower case
	Providers []Provider `koanf:"providers"` // at least one; the first answers names that no entry of Models has
	Models    []Model    `koanf:"models"`
	LocalOnly bool       `koanf:"local_only"` // no text of a call leaves this device: targets elsewhere are left out
	Retry     Retry      `koanf:"retry"`
	Breaker   Breaker    `koanf:"breaker"`
	Timeouts  Timeouts   `koanf:"timeouts"`
	Queue     Queue      `koanf:"queue"`
	Cache     Cache      `koanf:"cache"`
	Guard     Guard      `koanf:"guard"`
	Limits    Limits     `koanf:"limits"`
	Audit     Audit      `koanf:"audit"`
	Prices    Prices     `koanf:"prices"`
	Budgets   []Budget   `koanf:"budgets"`
	Health    Health     `koanf:"health"`
	SLO       SLO        `koanf:"slo"`
	Telemetry Telemetry  `koanf:"telemetry"`
	Shutdown  Duration   `koanf:"shutdown"` // how long streams may still run after SIGTERM; 0s: they end at once
}

// Auth says whether an app must show a key.
type Auth string

const (
	AuthNone     Auth = "none"     // loopback only
	AuthRequired Auth = "required" // Authorization: Bearer or x-api-key
)

// Kind is the family of a provider's API.
type Kind string

const (
	KindOllama    Kind = "ollama"
	KindOpenAI    Kind = "openai"    // any OpenAI-compatible server, local or cloud
	KindAnthropic Kind = "anthropic" // Anthropic's Messages API
	KindGemini    Kind = "gemini"
)

// Provider is a server that runs models.
type Provider struct {
	Name string `koanf:"name"` // unique; letters, digits, dot, dash and underscore, for it goes into headers and labels
	Kind Kind   `koanf:"kind"`
	// URL has no trailing slash and no query. For KindOpenAI it goes up to and including /v1, for the other kinds up to
	// what comes before the API's own path. Left out, it is the kind's usual address.
	URL string `koanf:"url"`
	Key Secret `koanf:"key"` // empty: calls carry no key
	// Dialects are spoken beside the kind's own: llama.cpp is of kind openai and speaks anthropic too.
	Dialects []string `koanf:"dialects"`
}

// Model is a name that apps ask for.
type Model struct {
	Name       string       `koanf:"name"`        // unique
	Targets    []Target     `koanf:"targets"`     // in order of preference
	LastResort []LastResort `koanf:"last_resort"` // in order of preference
	LocalOnly  bool         `koanf:"local_only"`  // never leaves this device: a target elsewhere is refused
}

// Target is one model at one provider.
type Target struct {
	Provider string `koanf:"provider"` // a name in Config.Providers
	Model    string `koanf:"model"`    // the provider's own name for it
}

// LastResort answers when every target failed. It is either Similar (an answer to a question alike, from the cache) or a
// Static sentence; in the file `similar` and `{ static: "…" }`.
type LastResort struct {
	Similar bool
	Static  string
}

// Retry says how a failed attempt is repeated.
type Retry struct {
	Strategy    string   `koanf:"strategy"`     // exponential, linear or fibonacci, with full jitter
	MaxAttempts int      `koanf:"max_attempts"` // the first one counts: 1 is no retry; at most 10
	Base        Duration `koanf:"base"`         // the first wait
	Max         Duration `koanf:"max"`          // no wait is longer
	Budget      Percent  `koanf:"budget"`       // retries for each hundred calls, so that an outage is not made worse
}

// Breaker says when a target is left alone, and for how long.
type Breaker struct {
	Failures int      `koanf:"failures"`  // in a row
	Rate     Percent  `koanf:"rate"`      // or this share of the calls in Window; 0%: only Failures decides
	Window   Duration `koanf:"window"`    // of Rate
	MinCalls int      `koanf:"min_calls"` // fewer in Window decide nothing
	OpenFor  Duration `koanf:"open_for"`
	Probes   int      `koanf:"probes"` // calls let through after that, to see whether it answers again
	Slow     Duration `koanf:"slow"`   // a first token later than this is a failure; 0s: never
}

// Timeouts bound one attempt at one target. All are positive.
type Timeouts struct {
	Connect    Duration `koanf:"connect"`
	FirstToken Duration `koanf:"first_token"` // streams: from the request to the first byte of the answer
	Idle       Duration `koanf:"idle"`        // streams: between two reads after that
	Whole      Duration `koanf:"whole"`       // of an answer that is not streamed; of a stream from its first content to its end
	Load       Duration `koanf:"load"`        // how much longer than the above while the model is being loaded
	Ping       Duration `koanf:"ping"`        // a waiting SSE stream hears this often that it goes on; 0s: never, since the first one fixes the status
}

// Queue bounds what is sent to each model server on this device at once.
type Queue struct {
	Concurrent int `koanf:"concurrent"` // calls at once; 0: no limit, and so no queue
	Waiting    int `koanf:"waiting"`    // calls that may wait for a place
}

// Cache keeps answers.
type Cache struct {
	Exact      ExactCache     `koanf:"exact"`
	Similar    SimilarCache   `koanf:"similar"`
	Embeddings EmbeddingCache `koanf:"embeddings"`
	Shared     bool           `koanf:"shared"`   // callers with different keys share answers
	MaxFile    Bytes          `koanf:"max_file"` // of all answers on disk; 0: they are kept in memory only
}

// ExactCache answers the same question again.
type ExactCache struct {
	TTL      Duration `koanf:"ttl"`
	MaxBytes Bytes    `koanf:"max_bytes"` // of all answers in memory
	When     string   `koanf:"when"`      // off, deterministic or always
	// Models have rules of their own; the first that fits the name asked for counts.
	Models []CacheModel `koanf:"models"`
}

// CacheModel is how answers of some models are kept.
type CacheModel struct {
	Model string   `koanf:"model"` // a name, or a pattern of them such as llama3*
	TTL   Duration `koanf:"ttl"`   // 0s: as cache.exact.ttl
	When  string   `koanf:"when"`  // empty: as cache.exact.when
}

// EmbeddingCache keeps vectors, by input.
type EmbeddingCache struct {
	TTL Duration `koanf:"ttl"` // 0s: none are kept
}

// SimilarCache answers a question alike; off without Model.
type SimilarCache struct {
	Model     string   `koanf:"model"`     // an embedding model on this device
	Provider  string   `koanf:"provider"`  // that has it; empty: the first on this device that has
	Threshold float64  `koanf:"threshold"` // cosine similarity from which two questions are alike; over 0, at most 1
	When      string   `koanf:"when"`      // always, or last-resort: only when every target of a model whose last_resort says similar has failed
	TTL       Duration `koanf:"ttl"`
}

// Guard says what happens to text that should not pass.
type Guard struct {
	Secrets   string `koanf:"secrets"`   // off, flag, redact-for-cloud, redact or block
	PII       string `koanf:"pii"`       // off, flag, redact-for-cloud, redact or block
	Injection string `koanf:"injection"` // off, flag or block
}

// Limits bound what callers may ask at once.
type Limits struct {
	RequestsPerMinute int   `koanf:"requests_per_minute"` // a caller; 0: no limit
	Concurrent        int   `koanf:"concurrent"`          // all callers together; 0: no limit
	Body              Bytes `koanf:"body"`                // of one request; model uploads are exempt; 1KiB to 1GiB
	Connections       int   `koanf:"connections"`         // open at once; at least 1
}

// Audit says what the ledger keeps.
type Audit struct {
	Content     string   `koanf:"content"`      // hash or encrypted
	Durability  string   `koanf:"durability"`   // group or strict
	OnFailure   string   `koanf:"on_failure"`   // continue or refuse
	Retention   Duration `koanf:"retention"`    // of texts, where they are kept; 0s: for ever
	MaxContent  Bytes    `koanf:"max_content"`  // of texts; 0: no limit
	KeepEntries Duration `koanf:"keep_entries"` // of the entries themselves; 0s: for ever
	MaxEntries  Bytes    `koanf:"max_entries"`  // of the entries themselves; 0: no limit
	Anchors     []string `koanf:"anchors"`      // places that get each signed head: whole paths, http(s) addresses, "syslog"; none that can be read back: a file in the data folder too
}

// Prices say what calls cost, beside the program's own table of well-known cloud models.
type Prices struct {
	Baseline string       `koanf:"baseline"` // the cloud model that savings are reckoned by
	Local    LocalPrice   `koanf:"local"`
	Models   []ModelPrice `koanf:"models"` // the first that fits counts, before the table's own
}

// LocalPrice is what running a model on this device costs; nothing where it is not said.
type LocalPrice struct {
	Watts      float64 `koanf:"watts"` // drawn while a call runs, beyond what the machine draws idle
	USDPerKWh  float64 `koanf:"usd_per_kwh"`
	USDPerHour float64 `koanf:"usd_per_hour"` // of a rented machine, for the time that a call runs
}

// ModelPrice is what one model costs, in US dollars for a million tokens.
type ModelPrice struct {
	Provider    string  `koanf:"provider"` // a provider's name or kind; empty: any
	Model       string  `koanf:"model"`
	Input       float64 `koanf:"input"`
	Output      float64 `koanf:"output"`
	CachedInput float64 `koanf:"cached_input"` // 0: as Input
}

// Budget bounds what is spent.
type Budget struct {
	Per   string  `koanf:"per"`   // hour, day, week or month
	USD   float64 `koanf:"usd"`   // over 0; a limit a person types, turned into integer money where it is compared
	Then  string  `koanf:"then"`  // warn, local-only or refuse
	Scope string  `koanf:"scope"` // all, or each key, user or app for itself; empty: all
	Only  string  `koanf:"only"`  // the one key (name or id), user or app that is meant
}

// Health says when the machine is short of something.
type Health struct {
	MinFreeMemory  Share   `koanf:"min_free_memory"` // 0: not watched
	MinFreeDisk    Share   `koanf:"min_free_disk"`   // 0: not watched
	MaxTemperature float64 `koanf:"max_temperature"` // degrees Celsius; 0: not watched
	// Pressure is what is done when memory is short or it is too hot. Between prefer-smaller and prefer-cloud the order decides;
	// `off` stands alone.
	Pressure []string `koanf:"pressure"`
	Probe    Duration `koanf:"probe"` // a loaded model that nobody has called for so long is tried; 0s: never
}

// SLO is what the service promises.
type SLO struct {
	Availability Percent  `koanf:"availability"` // under 100%, for a promise without an error budget has no burn rate; 0%: none
	LatencyP95   Duration `koanf:"latency_p95"`  // 0s: no promise
	ErrorRate    Percent  `koanf:"error_rate"`   // 0%: no promise
}

// Telemetry says what is told, and to whom.
type Telemetry struct {
	OTLP        string   `koanf:"otlp"`         // a collector of traces, OTLP over HTTP; empty: off
	OTLPHeaders []Header `koanf:"otlp_headers"` // that the collector wants, such as a key
	Sample      Percent  `koanf:"sample"`       // of the calls that are not part of a trace already
	Content     bool     `koanf:"content"`      // prompts and answers go into traces
	Propagate   string   `koanf:"propagate"`    // who gets the trace headers of calls: local (targets on this device) or all
	Log         string   `koanf:"log"`          // debug, info, warn or error
	Format      string   `koanf:"format"`       // auto (human on a terminal, JSON elsewhere), json or human
	// File takes the log in place of standard error: a whole path; empty: standard error.
	File         string `koanf:"file"`
	FileMaxBytes Bytes  `koanf:"file_max_bytes"` // then another one is begun; 2MiB to 1TiB
	FileKeep     int    `koanf:"file_keep"`      // full ones that are kept: FILE.1 is the newest of them
}

// Header is a header of HTTP whose value is a secret.
type Header struct {
	Name  string `koanf:"name"`
	Value Secret `koanf:"value"`
}

// Default is the config when nothing is set: Ollama on its own port, every model name passed through.
func Default() Config {
	return Config{
		Listen:    "127.0.0.1:11435",
		Auth:      AuthNone,
		Providers: []Provider{{Name: "local", Kind: KindOllama, URL: KindOllama.URL()}},
		Retry:     Retry{Strategy: "exponential", MaxAttempts: 3, Base: Duration(200 * time.Millisecond), Max: Duration(5 * time.Second), Budget: 10},
		Breaker:   Breaker{Failures: 5, Rate: 50, Window: Duration(30 * time.Second), MinCalls: 20, OpenFor: Duration(time.Minute), Probes: 1},
		Timeouts: Timeouts{
			Connect:    Duration(2 * time.Second),
			FirstToken: Duration(2 * time.Minute), // a large model may have to be read from disk first
			Idle:       Duration(time.Minute),
			Whole:      Duration(time.Hour),
			Load:       Duration(10 * time.Minute),
		},
		Queue: Queue{Concurrent: 256, Waiting: 1024},
		Cache: Cache{
			Exact:      ExactCache{TTL: Duration(5 * time.Minute), MaxBytes: 64 << 20, When: "deterministic"},
			Similar:    SimilarCache{Threshold: 0.95, When: "always", TTL: Duration(day)},
			Embeddings: EmbeddingCache{TTL: Duration(day)},
			MaxFile:    1 << 30,
		},
		Guard:  Guard{Secrets: "off", PII: "off", Injection: "off"},
		Limits: Limits{Body: 32 << 20, Connections: 4096},
		Audit: Audit{Content: "hash", Durability: "group", OnFailure: "continue",
			Retention: Duration(90 * day), MaxContent: 4 << 30, KeepEntries: Duration(2 * 365 * day), MaxEntries: 8 << 30},
		Prices: Prices{Baseline: "gpt-4o-mini"},
		Health: Health{MinFreeMemory: Share{Percent: 5}, MinFreeDisk: Share{Bytes: 2 << 30}, MaxTemperature: 95,
			Pressure: []string{"refuse-load", "shrink-cache", "lower-concurrency", "unload-idle", "prefer-smaller"}, Probe: Duration(15 * time.Minute)},
		SLO:       SLO{Availability: 99.9, LatencyP95: Duration(500 * time.Millisecond), ErrorRate: 0.1},
		Telemetry: Telemetry{Sample: 100, Propagate: "local", Log: "info", Format: "auto", FileMaxBytes: 64 << 20, FileKeep: 5},
		Shutdown:  Duration(30 * time.Second),
	}
}

// URL is where a provider of this kind usually is; empty for a kind that is not known.
func (k Kind) URL() string {
	switch k {
	case KindOllama:
		return "http://127.0.0.1:11434"
	case KindOpenAI:
		return "https://api.openai.com/v1"
	case KindAnthropic:
		return "https://api.anthropic.com"
	case KindGemini:
		return "https://generativelanguage.googleapis.com"
	}
	return ""
}
