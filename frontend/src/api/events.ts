import type { Schema } from './client'

/** The types of events that the page reads, and what each tells. */
export type Events = {
  call: Schema<'CallData'>
  load: Schema<'LoadData'>
  breaker: Schema<'BreakerData'>
  outage: Schema<'OutageData'>
  provider: Schema<'ProviderData'>
  condition: Schema<'ConditionData'>
  budget: Schema<'BudgetData'>
  config: Schema<'ConfigData'>
  ledger: Schema<'LedgerData'>
  progress: Schema<'ProgressData'>
  library: Schema<'LibraryData'>
  service: Schema<'ServiceData'>
  gap: Schema<'GapData'>
  dropped: Schema<'DroppedData'>
}

export type FeedEvent = {
  [Type in keyof Events]: { id: string; type: Type; time: string; data: Events[Type] }
}[keyof Events]

export type FeedState = 'connecting' | 'live' | 'away'

const types = Object.keys({
  call: 1,
  load: 1,
  breaker: 1,
  outage: 1,
  provider: 1,
  condition: 1,
  budget: 1,
  config: 1,
  ledger: 1,
  progress: 1,
  library: 1,
  service: 1,
  gap: 1,
  dropped: 1,
} satisfies Record<keyof Events, 1>)

const firstWait = 1_000
const longestWait = 30_000

/** Reads what an event carries; undefined: it is none of this page's. */
export function parseEvent(text: string): FeedEvent | undefined {
  try {
    const told = JSON.parse(text)
    if (typeof told?.id === 'string' && typeof told.time === 'string' && types.includes(told.type) && typeof told.data === 'object')
      return told
  } catch {}
}

/**
 * The one stream of events of the page: a browser opens few connections to a host, so that all who look share it. It
 * comes back by itself with the id of the last event, and the daemon tells what was missed.
 */
export class Feed {
  private source: EventSource | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private wait = firstWait
  private last = '0' // all that is still held
  private state: FeedState = 'connecting'
  private readonly readers = new Set<(e: FeedEvent) => void>()
  private readonly watchers = new Set<() => void>()
  private readonly open: (url: string) => EventSource

  constructor(open: (url: string) => EventSource = (url) => new EventSource(url)) {
    this.open = open
  }

  start() {
    if (this.source || this.timer) return
    this.connect()
  }

  stop() {
    clearTimeout(this.timer)
    this.timer = undefined
    this.source?.close()
    this.source = undefined
    this.tell('connecting')
  }

  /** Tries at once, where it would wait: somebody knows that it will go. */
  again() {
    if (!this.timer) return
    clearTimeout(this.timer)
    this.wait = firstWait
    this.connect()
  }

  /** Calls read with each event; the result ends that. */
  subscribe = (read: (e: FeedEvent) => void) => {
    this.readers.add(read)
    return () => void this.readers.delete(read)
  }

  /** Calls changed when the state changes; the result ends that. */
  watch = (changed: () => void) => {
    this.watchers.add(changed)
    return () => void this.watchers.delete(changed)
  }

  current = () => this.state

  private connect() {
    this.timer = undefined
    const source = this.open(`/control/v1/events?after=${encodeURIComponent(this.last)}`)
    this.source = source
    source.onopen = () => {
      this.wait = firstWait
      this.tell('live')
    }
    source.onerror = () => {
      this.tell('away')
      // A stream that broke off is opened anew by the browser. After an answer that is no stream it gives up: so it is done here.
      if (source.readyState === 2 && this.source === source) {
        source.close()
        this.source = undefined
        this.timer = setTimeout(() => this.connect(), this.wait)
        this.wait = Math.min(this.wait * 2, longestWait)
      }
    }
    const read = (message: MessageEvent<string>) => {
      const e = parseEvent(message.data)
      if (!e) return
      this.last = e.id
      for (const reader of this.readers) reader(e)
    }
    for (const type of types) source.addEventListener(type, read as EventListener)
  }

  private tell(state: FeedState) {
    if (state === this.state) return
    this.state = state
    for (const changed of this.watchers) changed()
  }
}

export const feed = new Feed()
