const nano = 1e9

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const share = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 })
const fineShare = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 3 })

/** Where nothing is known. */
export const unknown = '–'

export function count(n: number): string {
  return Math.abs(n) < 100_000 ? whole.format(n) : compact.format(n)
}

/** So many of a thing: 1 call, 2 calls. */
export function counted(n: number, one: string, more = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : more}`
}

/** Tokens; the daemon says -1 where they were not told. */
export function tokens(n: number | undefined): string {
  return n === undefined || n < 0 ? unknown : count(n)
}

/** A share of 1. The nearer to all, the finer: 99.95 % is not 100 %. */
export function percent(n: number | null | undefined): string {
  if (n === null || n === undefined) return unknown
  if (n > 0 && n < 0.0005) return `<${share.format(0.001)}`
  return (n > 0.99 && n < 1 ? fineShare : share).format(n)
}

/** Billionths of a US dollar, as much of it as says something. */
export function usd(n: number | null | undefined): string {
  if (n === null || n === undefined) return unknown
  const dollars = n / nano
  const size = Math.abs(dollars)
  if (size > 0 && size < 0.00005) return `${n < 0 ? '>-' : '<'}$0.0001`
  return new Intl.NumberFormat(undefined, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    maximumFractionDigits: size > 0 && size < 1 ? 4 : 2,
  }).format(dollars)
}

/** The same, whole. */
export function exactUsd(n: number | null | undefined): string {
  return n === null || n === undefined ? 'not known' : `${(n / nano).toFixed(9)} USD`
}

/** Milliseconds, in the unit that fits. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return unknown
  if (ms < 1) return `${ms === 0 ? '0' : '<1'} ms`
  if (ms < 1000) return `${whole.format(ms)} ms`
  if (ms < 59_950) return `${oneDigit.format(ms / 1000)} s`
  const s = Math.round(ms / 1000) // rounded first, so that no part of it comes to a whole one of the next
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`
}

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (Math.abs(n) >= 1024 && unit < units.length - 1) {
    n /= 1024
    unit++
  }
  return `${oneDigit.format(n)} ${units[unit]}`
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })
const dayName = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** A time in this browser's zone: of today only the clock. */
export function time(at: string | number, now = Date.now()): string {
  const date = new Date(at)
  return (date.toDateString() === new Date(now).toDateString() ? clock : dayAndClock).format(date)
}

/** The same, whole, with zone and milliseconds. */
export function exactTime(at: string | number): string {
  const date = new Date(at)
  return `${exact.format(date)} (${date.toISOString()})`
}

/** A day such as 2026-11-23, as the usage report names it. */
export function day(key: string): string {
  const date = new Date(`${key}T00:00:00Z`)
  return Number.isNaN(date.getTime()) ? key : dayName.format(date)
}
