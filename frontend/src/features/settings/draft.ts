import type { Schema } from '../../api/client'
import { leaving } from '../../api/session'

const place = 'corral-config-draft'

/** What was typed into the config and not applied, with the file that it was begun from. */
export type Draft = { file: Schema<'ConfigFile'>; text: string }

/** The draft of before this page was loaded, or its session ended, as a restart of Corral ends it. */
export function readDraft(): Draft | undefined {
  try {
    const d = JSON.parse(window.sessionStorage.getItem(place) ?? 'null')
    if (typeof d?.text === 'string' && typeof d.file?.text === 'string' && typeof d.file.revision === 'string') return d
  } catch {}
}

/** Keeps a draft until it is applied or taken back; undefined: there is none. */
export function keepDraft(d: Draft | undefined) {
  try {
    if (d) window.sessionStorage.setItem(place, JSON.stringify(d))
    else window.sessionStorage.removeItem(place)
  } catch {} // there is no room: the page itself still has it
}

leaving.addEventListener('leave', () => keepDraft(undefined))
