import { exactTime, time } from './format'

/** A time in this browser's zone, with all of it on hover. */
export function When({ at }: { at: string | number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>
      {time(at)}
    </time>
  )
}
