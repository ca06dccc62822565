/** A setting that most people look for, and how it is changed. */
export type Field = {
  /** Its place in corral.yaml. */
  path: string
  label: string
  about: string
  /** How its value is written: text as it stands, a number, one of these, or a list of rows. */
  kind: 'text' | 'number' | readonly { value: string; label: string }[]
}

const masks = [
  { value: 'off', label: 'let it pass' },
  { value: 'flag', label: 'let it pass, and write down that it was there' },
  { value: 'redact-for-cloud', label: 'hide it from models that are not on this device' },
  { value: 'redact', label: 'hide it from all models' },
  { value: 'block', label: 'refuse the call' },
]

export const groups: { title: string; fields: Field[] }[] = [
  {
    title: 'Where calls go',
    fields: [
      {
        path: 'local_only',
        label: 'Text may leave this machine',
        about: 'Models elsewhere are those of other machines and clouds, also where an Ollama here passes calls on to them.',
        kind: [
          { value: 'false', label: 'for models elsewhere that the config or Ollama has' },
          { value: 'true', label: 'never: such calls are refused' },
        ],
      },
    ],
  },
  {
    title: 'Cache',
    fields: [
      {
        path: 'cache.exact.when',
        label: 'Answer the same question from the cache',
        about: 'At temperature 0 or with a seed a model gives the same answer again.',
        kind: [
          { value: 'off', label: 'never' },
          { value: 'deterministic', label: 'where the answer would be the same' },
          { value: 'always', label: 'always' },
        ],
      },
      { path: 'cache.exact.ttl', label: 'Keep answers for', about: 'Such as 5m or 24h.', kind: 'text' },
      {
        path: 'cache.similar.model',
        label: 'Answer questions alike, by this embedding model',
        about: 'Such as all-minilm. Empty: only the same question is answered from the cache.',
        kind: 'text',
      },
      { path: 'cache.similar.threshold', label: 'How alike they must be', about: 'From 0 to 1; 0.95 is careful.', kind: 'number' },
    ],
  },
  {
    title: 'Ledger',
    fields: [
      {
        path: 'audit.content',
        label: 'What is kept of each call’s text',
        about: 'Sealed texts can be read on the pages Calls and Audit; seals alone prove a text that somebody else kept.',
        kind: [
          { value: 'hash', label: 'a seal only' },
          { value: 'encrypted', label: 'the text, sealed' },
        ],
      },
      { path: 'audit.retention', label: 'Keep texts for', about: 'Such as 90d; 0s: for ever.', kind: 'text' },
    ],
  },
  {
    title: 'What calls must not say',
    fields: [
      {
        path: 'guard.pii',
        label: 'Personal data in a call',
        about: 'Mail addresses, phone, card and account numbers. What is hidden comes back in the answer.',
        kind: masks,
      },
      {
        path: 'guard.secrets',
        label: 'Keys and passwords in a call',
        about: 'They are known by their form, or by a name beside them such as “password”.',
        kind: masks,
      },
      {
        path: 'guard.injection',
        label: 'Attempts to take the model over',
        about: 'In what users say and tools bring: “ignore all previous instructions” and its like. No such look finds all.',
        kind: masks.filter((m) => !m.value.startsWith('redact')),
      },
    ],
  },
  {
    title: 'Limits',
    fields: [
      { path: 'limits.requests_per_minute', label: 'Calls a minute, of one caller', about: '0: no limit.', kind: 'number' },
      { path: 'limits.concurrent', label: 'Calls at once, of all callers', about: '0: no limit.', kind: 'number' },
    ],
  },
  {
    title: 'Log and traces',
    fields: [
      {
        path: 'telemetry.log',
        label: 'The log tells',
        about: 'Prompts and keys are in none of them.',
        kind: ['debug', 'info', 'warn', 'error'].map((v) => ({ value: v, label: v })),
      },
      {
        path: 'telemetry.otlp',
        label: 'Send traces to',
        about: 'A collector’s address, such as http://127.0.0.1:4318. Empty: nowhere.',
        kind: 'text',
      },
    ],
  },
]

/** The value at a place of the config, as text; empty: there is none. */
export function valueAt(config: Record<string, unknown>, path: string): string {
  let at: unknown = config
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null) return ''
    at = (at as Record<string, unknown>)[name]
  }
  return at === undefined || at === null || typeof at === 'object' ? '' : String(at)
}

export type Edit = { op: 'set' | 'add' | 'remove' | 'move'; path: string; value?: unknown }

/** A budget as a person writes it. */
export type Budget = { usd: string; per: string; scope: string; then: string }

export function budgetsOf(config: Record<string, unknown>): Budget[] {
  const list = Array.isArray(config.budgets) ? (config.budgets as Record<string, unknown>[]) : []
  return list.map((b) => ({
    usd: String(b.usd ?? ''),
    per: String(b.per ?? 'day'),
    scope: String(b.scope || 'all'),
    then: String(b.then ?? 'warn'),
  }))
}

/** What to change in the file for the values that differ. An emptied field goes back to its default. */
export function editsOf(config: Record<string, unknown>, values: Record<string, string>): Edit[] {
  const edits: Edit[] = []
  for (const { fields } of groups)
    for (const f of fields) {
      const now = values[f.path]
      if (now === undefined || now.trim() === valueAt(config, f.path)) continue
      const text = now.trim()
      if (text === '') edits.push({ op: 'remove', path: f.path })
      else edits.push({ op: 'set', path: f.path, value: written(f, text) })
    }
  return edits
}

/** A value as YAML has it: a number, a truth or a text. */
function written(f: Field, text: string): unknown {
  if (f.kind === 'number' && Number.isFinite(Number(text))) return Number(text)
  return typeof f.kind !== 'string' && (text === 'true' || text === 'false') ? text === 'true' : text
}

/** Takes out the budgets at these places, the last first, so that the places of the others stay; then adds the new ones. */
export function budgetEdits(removed: readonly number[], added: readonly Budget[]): Edit[] {
  return [
    ...[...removed].sort((a, b) => b - a).map((i): Edit => ({ op: 'remove', path: `budgets[${i}]` })),
    ...added.map(
      (b): Edit => ({
        op: 'add',
        path: 'budgets',
        value: { per: b.per, usd: Number(b.usd), then: b.then, ...(b.scope !== 'all' && { scope: b.scope }) },
      }),
    ),
  ]
}
