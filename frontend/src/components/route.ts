const causes: Record<string, string> = {
  unreachable: 'could not be reached',
  timeout: 'did not answer in time',
  broken: 'broke off before any answer',
  bad_answer: 'answered with something that is no answer',
  empty: 'answered with nothing',
  error: 'failed',
  not_now: 'could not take the call',
  rate_limited: 'is over its rate limit',
  auth: 'does not accept the key',
  open: 'failed too often and is left alone for now',
  busy: 'has no place free',
  not_found: 'does not have the model',
  unsupported: 'cannot do what was asked',
  refused: 'refused the call, which was translated for it',
  internal: 'could not be asked',
  not_local: 'would have passed on what must stay on this machine',
  not_told: 'did not say whether it passes calls on',
  caller_left: 'was not waited for: the caller left',
  invalid_request: 'found the call itself wrong',
}

/** Why a target gave no answer, as the end of a sentence that begins with its name. */
export const causeWords = (cause: string) => causes[cause] ?? `gave no answer (${cause})`

const routes: Record<string, string> = {
  default: 'No name of the config fits, so the first provider answered.',
  model: 'It is the first target of this name.',
  chosen: 'You chose this target.',
  capable: 'It is the first target that can do what was asked.',
  budget: 'A budget has no room for one before it, so a target on this machine answered.',
  cache: 'The answer was given before, and kept.',
  similar: 'A question alike was answered before.',
  static: 'No target could answer, so the sentence of the config did.',
  waiting: 'The model took so long that a ping was sent first; the time line says who answered.',
  'pressure:memory': 'Another one than usual, because the machine is short of memory.',
  'pressure:heat': 'Another one than usual, because the machine is too hot.',
}

/** Corral-Route in words: why this target answered. */
export function routeWords(route: string | undefined): string {
  if (!route) return ''
  const cause = /^fallback:(.+)$/.exec(route)?.[1]
  if (cause) return `The target before it ${causeWords(cause)}.`
  return routes[route] ?? route
}

/** Cache-Status (RFC 9211) in words; empty: the answer has none. */
export function cacheWords(status: string | undefined | null): string {
  if (!status) return ''
  const parts = status.split(';').map((p) => p.trim())
  if (parts.includes('hit')) return parts.includes('detail=similar') ? 'the answer to a question alike' : 'answered from the cache'
  if (parts.includes('collapsed')) return 'shared with the same question under way'
  if (parts.includes('stored')) return 'kept for the next time'
  const forward = parts.find((p) => p.startsWith('fwd='))?.slice(4)
  if (forward === 'bypass') return 'not one to keep'
  if (forward === 'request') return 'asked anew, as you wanted'
  return forward ? 'not kept yet' : status
}
