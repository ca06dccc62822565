import type { Schema } from '../../api/client'
import { bytes } from '../../components/format'

type Library = Schema<'Library'>
type Choices = Schema<'Choices'>

/** Somebody whom the guide can ask. */
export type Choice = {
  key: string
  name: string
  about: string
  /** Under which an app is answered by it; empty: there is no such name, for apps reach other servers than the first by names of the config only. */
  asked: string
  /** provider/model; empty: as the config says. */
  target: string
  /** Whether the ollama command can run it by that name: it is in an Ollama on this device. */
  runs: boolean
}

const short = (model: string) => model.replace(/:latest$/, '')
const same = (a: string, b: string) => short(a) === short(b)

/** The name by which an app gets the model of that target: its own at the first provider unless the config gives that to another, else one of the config. */
function nameOf(provider: string, model: string, c: Choices | undefined): string {
  const target = `${provider}/${model}`
  const first = (n: { targets: string[] | null }) => n.targets?.[0] !== undefined && same(n.targets[0], target)
  const taken = c?.names?.find((n) => n.name === model || n.name === short(model))
  if (taken && first(taken)) return taken.name
  if (!taken && (!c || c.default === provider)) return model
  return c?.names?.find(first)?.name ?? ''
}

/** The models on this machine that make text, smallest first; those whose size is not known last. */
export function here(l: Library, c: Choices | undefined): Choice[] {
  const servers = l.servers ?? []
  const silent = new Set(
    (c?.providers ?? []).flatMap((p) => (p.models ?? []).flatMap((m) => (m.chats === false ? [`${p.provider}/${short(m.model)}`] : []))),
  )
  return (l.models ?? [])
    .filter((m) => !m.capabilities?.length || m.capabilities.includes('completion'))
    .filter((m) => !silent.has(`${m.provider}/${short(m.name)}`))
    .sort((a, b) => (a.bytes || Number.POSITIVE_INFINITY) - (b.bytes || Number.POSITIVE_INFINITY) || a.name.localeCompare(b.name))
    .map((m) => {
      const asked = nameOf(m.provider, m.name, c)
      return {
        key: `target:${m.provider}/${m.name}`,
        name: m.name,
        about: [m.parameters, m.bytes ? bytes(m.bytes) : '', servers.length > 1 ? m.provider : ''].filter(Boolean).join(', '),
        asked,
        target: `${m.provider}/${m.name}`,
        runs: asked !== '' && isOllama(l, m.provider),
      }
    })
}

/** The names of the config. */
export function names(l: Library, c: Choices | undefined): Choice[] {
  return (c?.names ?? [])
    .filter((n) => n.targets?.length)
    .map((n) => ({
      key: `name:${n.name}`,
      name: n.name,
      about: (n.targets ?? []).map((t) => (missing(t, l) ? `${t} (not there)` : t)).join(', then '),
      asked: n.name,
      target: '',
      runs: (l.models ?? []).some((m) => same(`${m.provider}/${m.name}`, n.targets?.[0] ?? '') && isOllama(l, m.provider)),
    }))
}

/** Whom nobody has to choose: the smallest model on this machine, rather one that apps can name. Never a name of the config: it may cost something. */
export function first(models: readonly Choice[]): Choice | undefined {
  return models.find((m) => m.asked) ?? models[0]
}

const isOllama = (l: Library, provider: string) => (l.servers ?? []).some((s) => s.name === provider && s.kind === 'ollama')

/** Whether a target is a model of an Ollama on this device that has told what it has, and has it not. */
function missing(target: string, l: Library): boolean {
  const provider = target.slice(0, target.indexOf('/'))
  return (
    isOllama(l, provider) &&
    !l.servers?.some((s) => s.name === provider && s.problem) &&
    !l.models?.some((m) => same(`${m.provider}/${m.name}`, target))
  )
}

/** Where a model is pulled to: the first server that keeps models, rather the one that answers apps for names that the config has not. */
export function keeper(l: Library, c: Choices | undefined): string | undefined {
  const able = (l.servers ?? []).filter((s) => s.keeps && !s.problem)
  return (able.find((s) => s.name === c?.default) ?? able[0])?.name
}
