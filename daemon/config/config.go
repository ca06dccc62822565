package config

import "time"

// Config is the whole of corral.yaml as one value. It is never changed after Load: a reload makes a new one.
type Config struct {
	Listen    string     `koanf:"listen"`    // host:port; loopback unless Auth is required
	Auth      Auth       `koanf:"auth"`      // who may call the app-facing API
	Hosts     []string   `koanf:"hosts"`     // Host names answered beside loopback's and the listener's own
	Origins   []string   `koanf:"origins"`   // web origins allowed beside localhost's, e.g. https://app.example.org
	Providers []Provider `koanf:"providers"` // the first one answers names that no entry of Models has
	Models    []Model    `koanf:"models"`
	Retry     Retry      `koanf:"retry"`
	Breaker   Breaker    `koanf:"breaker"`
	Timeouts  Timeouts   `koanf:"timeouts"`
	Cache     Cache      `koanf:"cache"`
	Guard     Guard      `koanf:"guard"`
	Limits    Limits     `koanf:"limits"`
	Audit     Audit      `koanf:"audit"`
	Budgets   []Budget   `koanf:"budgets"`
	Health    Health     `koanf:"health"`
	SLO       SLO        `koanf:"slo"`
	Telemetry Telemetry  `koanf:"telemetry"`
	Shutdown  Duration   `koanf:"shutdown"` // how long streams may still run after SIGTERM
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
	Name string `koanf:"name"`
	Kind Kind   `koanf:"kind"`
	URL  string `koanf:"url"` // KindOpenAI: up to and including /v1; the others: without a path
	Key  Secret `koanf:"key"`
	// Dialects are spoken beside the kind's own: llama.cpp is of kind openai and speaks anthropic too.
	Dialects []string `koanf:"dialects"`
}

// Secret names where a key is kept: keyring:NAME, env:NAME or file:PATH. It is never the key itself.
type Secret string

// Model is a name that apps ask for.
type Model struct {
	Name       string       `koanf:"name"`
	Targets    []Target     `koanf:"targets"` // in order of preference
	LastResort []LastResort `koanf:"last_resort"`
	LocalOnly  bool         `koanf:"local_only"` // never leaves this device
}

// Target is one model at one provider.
type Target struct {
	Provider string `koanf:"provider"`
	Model    string `koanf:"model"` // the provider's own name for it
}

// LastResort answers when every target failed: Similar, or a Static sentence.
type LastResort struct {
	Similar bool
	Static  string
}

// Retry says how a failed attempt is repeated.
type Retry struct {
	Strategy    string   `koanf:"strategy"` // exponential, linear or fibonacci, with full jitter
	MaxAttempts int      `koanf:"max_attempts"`
	Base        Duration `koanf:"base"`
	Max         Duration `koanf:"max"`
}

// Breaker says when a target is left alone, and for how long.
type Breaker struct {
	Failures int      `koanf:"failures"`
	OpenFor  Duration `koanf:"open_for"`
	Probes   int      `koanf:"probes"`
}

// Timeouts bound one attempt at one target.
type Timeouts struct {
	Connect    Duration `koanf:"connect"`
	FirstToken Duration `koanf:"first_token"` // streams: from the request to the first byte of the answer
	Idle       Duration `koanf:"idle"`        // streams: between two reads after that
	Whole      Duration `koanf:"whole"`       // from first to last byte, streamed or not
}

// Cache keeps answers.
type Cache struct {
	Exact   ExactCache   `koanf:"exact"`
	Similar SimilarCache `koanf:"similar"`
}

// ExactCache answers the same question again.
type ExactCache struct {
	TTL      Duration `koanf:"ttl"`
	MaxBytes Bytes    `koanf:"max_bytes"`
	When     string   `koanf:"when"` // off, deterministic or always
}

// SimilarCache answers a question alike; off without Model.
type SimilarCache struct {
	Model     string  `koanf:"model"` // an embedding model on this device
	Threshold float64 `koanf:"threshold"`
}

// Guard says what happens to text that should not pass.
type Guard struct {
	Secrets   string `koanf:"secrets"`   // off, flag, redact or block
	PII       string `koanf:"pii"`       // off, flag, redact-for-cloud, redact or block
	Injection string `koanf:"injection"` // off, flag or block
}

// Limits bound what callers may ask at once.
type Limits struct {
	RequestsPerMinute int   `koanf:"requests_per_minute"` // a caller; 0: no limit
	Concurrent        int   `koanf:"concurrent"`          // all callers together; 0: no limit
	Body              Bytes `koanf:"body"`                // of one request; model uploads are exempt
	Connections       int   `koanf:"connections"`         // open at once
}

// Audit says what the ledger keeps.
type Audit struct {
	Content    string   `koanf:"content"`    // hash or encrypted
	Durability string   `koanf:"durability"` // group or strict
	Retention  Duration `koanf:"retention"`
	OnFailure  string   `koanf:"on_failure"` // continue or refuse
}

// Budget bounds what is spent.
type Budget struct {
	Per  string  `koanf:"per"` // hour, day, week or month
	USD  float64 `koanf:"usd"`
	Then string  `koanf:"then"` // warn, local-only or refuse
}

// Health says when the machine is short of something.
type Health struct {
	MinFreeMemory  Share   `koanf:"min_free_memory"`
	MinFreeDisk    Share   `koanf:"min_free_disk"`
	MaxTemperature float64 `koanf:"max_temperature"` // degrees Celsius
}

// SLO is what the service promises.
type SLO struct {
	Availability Percent  `koanf:"availability"`
	LatencyP95   Duration `koanf:"latency_p95"`
	ErrorRate    Percent  `koanf:"error_rate"`
}

// Telemetry says what is told, and to whom.
type Telemetry struct {
	OTLP   string `koanf:"otlp"`   // OTLP over HTTP; empty: off
	Log    string `koanf:"log"`    // debug, info, warn or error
	Format string `koanf:"format"` // auto (human on a terminal, JSON elsewhere), json or human
}

// Duration is a time.Duration written like 200ms, 60s, 90d.
type Duration time.Duration

// Bytes is a size in bytes written like 32MiB or 2GB.
type Bytes int64

// Percent is a share of 100, written like 99.9%.
type Percent float64

// Share is either a percentage of the whole or a size: 5% or 2GiB.
type Share struct {
	Percent Percent
	Bytes   Bytes
}
