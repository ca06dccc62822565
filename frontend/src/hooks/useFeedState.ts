import { useSyncExternalStore } from 'react'
import { feed } from '../api/events'

/** Whether the stream of events is there. */
export function useFeedState() {
  return useSyncExternalStore(feed.watch, feed.current)
}
