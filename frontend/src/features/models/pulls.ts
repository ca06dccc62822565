import type { Schema } from '../../api/client'
import { duration } from '../../components/format'
import type { Library, Pull } from './queries'

/** The library with what the feed tells of a pull; undefined: it has to be asked for anew, for the pull is new or has come to its end. */
export function withProgress(library: Library, told: Schema<'ProgressData'>): Library | undefined {
  const pulls = library.pulls ?? []
  const known = pulls.find((p) => p.id === String(told.id))
  if (!known || (told.state !== 'running' && told.state !== known.state)) return undefined
  const left = told.speed && told.total && told.total > told.done ? (told.total - told.done) / told.speed : undefined
  const now: Pull = { ...known, state: told.state, done: told.done, total: told.total, speed: told.speed, left }
  return { ...library, pulls: pulls.map((p) => (p === known ? now : p)) }
}

/** How long a model still stays in memory, in words. */
export function stays(expires: string | undefined, now: number): string {
  if (!expires) return 'stays'
  const left = new Date(expires).getTime() - now
  return left <= 0 ? 'is let go' : `${duration(Math.ceil(left / 1000) * 1000)} more`
}

/** A name that asks for a registry without encryption. */
export const isPlain = (model: string) => /^http:\/\//i.test(model.trim())

/** Small models to begin with: their sizes are those of Ollama's library. */
export const suggestions = [
  { model: 'llama3.2:1b', size: '1.3 GB', about: 'talks well for its size' },
  { model: 'qwen2.5:0.5b', size: '400 MB', about: 'for little memory' },
  { model: 'all-minilm', size: '46 MB', about: 'makes vectors, for search and for the cache' },
] as const
