import { useSyncExternalStore } from 'react'
import { recentCalls } from '../api/calls'

/** The newest calls, oldest first; at most four times a second another list. */
export function useRecentCalls() {
  return useSyncExternalStore(recentCalls.watch, recentCalls.current)
}
