import { ApiError, client, type Schema, unwrap } from '../../api/client'
import { lines } from '../../api/lines'

export type Check = {
  state: 'never' | 'running' | 'done' | 'failed' | 'cancelled'
  done: number
  /** 0: not known yet. */
  total: number
  /** When it ended, in milliseconds. */
  at?: number
  result?: Schema<'LedgerVerification'>
  error?: Error
}

async function ask(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  return unwrap(await client.POST('/control/v1/audit/verify', { parseAs: 'stream', signal })) as ReadableStream<Uint8Array>
}

/** The check of the ledger that is under way, or the last one. It goes on while another page is shown. */
export class Verifying {
  private check: Check = { state: 'never', done: 0, total: 0 }
  private leave: AbortController | undefined
  private readonly watchers = new Set<() => void>()
  private readonly ask: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>

  constructor(answer = ask) {
    this.ask = answer
  }

  watch = (changed: () => void) => {
    this.watchers.add(changed)
    return () => void this.watchers.delete(changed)
  }

  current = () => this.check

  start = async () => {
    if (this.leave) return
    const leave = new AbortController()
    this.leave = leave
    this.tell({ state: 'running', done: 0, total: 0 })
    try {
      for await (const step of lines<Schema<'VerifyStep'>>(await this.ask(leave.signal))) {
        if (step.error) throw new ApiError(0, step.error)
        this.tell({ state: 'running', done: step.done, total: step.total, result: step.result })
      }
      if (!this.check.result) throw new ApiError(0, 'The answer broke off before its end. Check again.')
      this.tell({ ...this.check, state: 'done', at: Date.now() })
    } catch (error) {
      const failed = error instanceof ApiError ? error : new ApiError(0, 'The answer broke off before its end. Check again.')
      if (leave.signal.aborted) this.tell({ ...this.check, state: 'cancelled', at: Date.now() })
      else this.tell({ ...this.check, state: 'failed', at: Date.now(), error: failed })
    } finally {
      this.leave = undefined
    }
  }

  /** Ends the check: the daemon stops when nobody reads its answer any more. */
  cancel = () => this.leave?.abort()

  private tell(check: Check) {
    this.check = check
    for (const changed of this.watchers) changed()
  }
}

export const verifying = new Verifying()
