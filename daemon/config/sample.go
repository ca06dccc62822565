package config

// Sample is the file that `corral config init` writes: the defaults, and the rest as examples to switch on by taking a # away. A
// comment has one space after its #, a setting that is switched off has none, or its indentation of two and more.
func Sample() string { return sampleText }

const sampleText = `# Corral's configuration. All of it is optional. What stands here without a "#" is the default; lines with one are examples,
# and not always the default: docs/config.md has those.
# To switch a setting on, take the "#" away, and that of the indented lines under it ("#  ..."); "# " with one space is text.
# "corral config check" tells what is wrong; a running Corral takes over what is saved here.

# The address to listen on. Any other than this machine's own needs auth: required. Changing it needs a restart.
listen: 127.0.0.1:11435

# none: every app on this machine may call. required: an app shows a key that "corral keys" made.
auth: none

# Other names under which this machine is called, and web pages that may call.
#hosts: [box.lan]
#origins: ["https://app.example.org"]

# Servers that run models: ollama, openai (or whatever speaks like it), anthropic or gemini. The first is asked for every
# name that is not under models. A key is never written here, only where it is kept: keyring:NAME, env:NAME or file:PATH.
providers:
  - name: local
    kind: ollama
    url: http://127.0.0.1:11434
#  - name: openai
#    kind: openai
#    url: https://api.openai.com/v1
#    key: keyring:openai
#  - name: llama-server
#    kind: openai
#    url: http://127.0.0.1:8080/v1
#    dialects: [anthropic]

# Let no text of a call leave this machine, whoever asks for what: targets elsewhere are left out.
#local_only: true

# Names that apps ask for, and the models that answer, in order. last_resort answers when none of them can.
#models:
#  - name: chat
#    targets:
#      - provider: local
#        model: llama3.2
#    last_resort:
#      - static: The model is away; please try again.
#    local_only: true

# How long each step of one attempt may take.
timeouts:
  connect: 2s
  first_token: 2m
  idle: 1m
  whole: 1h
  load: 10m
  ping: 0s

# What callers may ask; 0 is no limit.
limits:
  requests_per_minute: 0
  concurrent: 0
  body: 32MiB
  connections: 4096

# How a failed attempt is repeated: exponential, linear or fibonacci waits.
#retry:
#  strategy: exponential
#  max_attempts: 3
#  base: 200ms
#  max: 5s
#  budget: 10%

# When a target that keeps failing is left alone.
#breaker:
#  failures: 5
#  rate: 50%
#  window: 30s
#  min_calls: 20
#  open_for: 1m
#  probes: 1
#  slow: 0s

# What is sent to each model server on this device at once, and how many may wait.
#queue:
#  concurrent: 256
#  waiting: 1024

# Answers kept: to the same question (off, deterministic or always), and to one alike when an embedding model is named.
#cache:
#  exact:
#    ttl: 5m
#    max_bytes: 64MiB
#    when: deterministic
#    models:
#      - model: llama3*
#        ttl: 1h
#        when: always
#  similar:
#    model: all-minilm
#    provider: local
#    threshold: 0.95
#    when: always
#    ttl: 24h
#  embeddings:
#    ttl: 24h
#  shared: false
#  max_file: 1GiB

# Text that should not pass. What is found is let through (off), written down (flag), hidden from targets that are not on this
# device (redact-for-cloud) or from all (redact), and put back in the answer, or the call is refused (block).
#guard:
#  secrets: block
#  pii: redact-for-cloud
#  injection: flag

# What the ledger keeps of each call's text (hash or encrypted), how surely (group or strict), what happens when it cannot
# be written (continue or refuse), how long and how much texts and entries are kept, and the places that get its signed heads:
# files, addresses that take a POST, or syslog for this machine's own.
#audit:
#  content: hash
#  durability: group
#  on_failure: continue
#  retention: 90d
#  max_content: 4GiB
#  keep_entries: 730d
#  max_entries: 8GiB
#  anchors: [ /mnt/other/corral-anchor.log, "https://example.org/heads", syslog ]

# What calls cost: the cloud model that savings are reckoned by, what running a model here costs, and prices in US dollars
# for a million tokens that the program does not know or knows otherwise.
#prices:
#  baseline: gpt-4o-mini
#  local:
#    watts: 35
#    usd_per_kwh: 0.30
#    usd_per_hour: 0
#  models:
#    - provider: openai
#      model: some-model
#      input: 0.15
#      output: 0.60
#      cached_input: 0.075

# What may be spent in an hour, day, week or month, and what then: warn, local-only or refuse. The scope is all calls, or
# those of each key, user or app for itself; only names one of these.
#budgets:
#  - per: day
#    usd: 5
#    then: local-only
#    scope: all
#  - per: month
#    usd: 20
#    then: refuse
#    scope: key
#    only: notes-app

# When the machine counts as short of something; the temperature is in degrees Celsius. What is done when memory is short or
# it is too hot (refuse-load, shrink-cache, lower-concurrency, unload-idle, prefer-smaller, prefer-cloud, or only off), and
# for how long a loaded model is left unused before it is tried.
#health:
#  min_free_memory: 5%
#  min_free_disk: 2GiB
#  max_temperature: 95
#  pressure: [refuse-load, shrink-cache, lower-concurrency, unload-idle, prefer-smaller]
#  probe: 15m

# What the service promises; corral slo shows whether it keeps it. 0% and 0s: no promise.
#slo:
#  availability: 99.9%
#  latency_p95: 500ms
#  error_rate: 0.1%

# What is logged (debug, info, warn or error; auto, json or human), where to if not to standard error, how large a file of
# the log may become, and how many full ones are kept. Traces go to an OpenTelemetry collector (OTLP over HTTP): a share
# of the calls, with the texts of prompts and answers or without, and headers with a key. Targets on this machine (local) or all
# of them are told which trace a call belongs to.
telemetry:
  log: info
  format: auto
#  file: /var/log/corral/corral.log
#  file_max_bytes: 64MiB
#  file_keep: 5
#  otlp: http://127.0.0.1:4318
#  otlp_headers: [ { name: Authorization, value: env:OTLP_AUTHORIZATION } ]
#  sample: 100%
#  content: false
#  propagate: local

# How long running answers may still take when Corral is stopped.
shutdown: 30s
`
