import type { Feed, FeedEvent } from './events'

export type CallEvent = Extract<FeedEvent, { type: 'call' }>

/** How many of the newest calls are held. */
const keep = 5_000
/** Milliseconds between two tellings: a flood of calls draws the page four times a second and not thousands of times. */
const pause = 250

/** The newest calls that the feed told of, oldest first. */
export class RecentCalls {
  private calls: CallEvent[] = []
  private shown: readonly CallEvent[] = []
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly watchers = new Set<() => void>()

  /** Takes calls from a feed; the result ends that. */
  follow(feed: Feed) {
    const end = feed.subscribe((e) => {
      if (e.type !== 'call') return
      this.calls.push(e)
      if (this.calls.length > keep * 1.2) this.calls = this.calls.slice(-keep)
      this.timer ??= setTimeout(() => this.tell(), pause)
    })
    return () => {
      clearTimeout(this.timer)
      this.timer = undefined
      end()
    }
  }

  watch = (changed: () => void) => {
    this.watchers.add(changed)
    return () => void this.watchers.delete(changed)
  }

  current = () => this.shown

  private tell() {
    this.timer = undefined
    this.shown = this.calls.slice(-keep)
    for (const changed of this.watchers) changed()
  }
}

export const recentCalls = new RecentCalls()
