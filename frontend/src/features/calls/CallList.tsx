import { IconCircleCheck, IconCircleX, IconDoorExit } from '@tabler/icons-react'
import { type KeyboardEvent, memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { duration, tokens } from '../../components/format'
import { Money } from '../../components/Money'
import { When } from '../../components/When'
import classes from './Calls.module.css'
import type { Row } from './rows'
import { scrolledTo, seen } from './seen'

const narrowBelow = 820

/**
 * The list of calls. Only what is seen stands in the document, so that 100,000 rows scroll like ten. Up, Down, Home and End go
 * from call to call, Enter opens one.
 */
export function CallList({
  rows,
  more,
  loadMore,
  open,
  down,
}: {
  rows: readonly Row[]
  more: boolean
  loadMore: () => void
  open: (id: string) => void
  /** Told whether the reader is below the newest calls. */
  down: (yes: boolean) => void
}) {
  const scroll = useRef<HTMLDivElement>(null)
  const [narrow, setNarrow] = useState(false)
  const height = narrow ? 64 : 40
  const head = narrow ? 0 : 36
  const [shown, setShown] = useState({ from: 0, to: 0 })

  const look = useCallback(() => {
    const element = scroll.current
    if (!element) return
    setNarrow(element.clientWidth <= narrowBelow)
    const now = seen(element.scrollTop, element.clientHeight, height, rows.length)
    setShown((was) => (was.from === now.from && was.to === now.to ? was : now))
  }, [height, rows.length])
  useLayoutEffect(look, [look])
  useEffect(() => {
    const element = scroll.current
    if (!element) return
    const sizes = new ResizeObserver(look)
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [look])
  useEffect(() => () => down(false), [down])

  useEffect(() => {
    if (more && shown.to >= rows.length - 30) loadMore()
  }, [more, shown.to, rows.length, loadMore])

  const go = (to: number) => {
    const element = scroll.current
    if (!element) return
    const i = Math.max(0, Math.min(rows.length - 1, to))
    element.scrollTop = scrolledTo(i, element.scrollTop, element.clientHeight, height, head)
    flushSync(look)
    element.querySelector<HTMLElement>(`[data-index="${i}"] button`)?.focus()
  }
  const key = (e: KeyboardEvent) => {
    const row = (e.target as HTMLElement).closest<HTMLElement>('[data-index]')
    const at = row ? Number(row.dataset.index) : -1
    const to = { ArrowDown: at + 1, ArrowUp: Math.max(at - 1, 0), Home: 0, End: rows.length - 1 }[e.key]
    if (to === undefined) return
    e.preventDefault()
    go(to)
  }

  return (
    <div className={classes.box}>
      <div
        ref={scroll}
        className={classes.scroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard
        tabIndex={0}
        onKeyDown={key}
        onScroll={(e) => {
          look()
          down(e.currentTarget.scrollTop > height)
        }}
        role="group"
        aria-label="Calls, newest first"
      >
        <div
          className={classes.table}
          style={{ height: head + rows.length * height }}
          role="table"
          aria-label="Calls"
          aria-rowcount={more ? -1 : rows.length + 1}
        >
          <div role="rowgroup">
            <div className={classes.head} role="row" aria-rowindex={1}>
              <span role="columnheader">Began</span>
              <span role="columnheader">Model</span>
              <span role="columnheader">App, user</span>
              <span role="columnheader">Status</span>
              <span role="columnheader" className={classes.num}>
                Took
              </span>
              <span role="columnheader" className={classes.num}>
                Tokens in, out
              </span>
              <span role="columnheader" className={classes.num}>
                Cost
              </span>
            </div>
          </div>
          <div role="rowgroup">
            {rows.slice(shown.from, shown.to).map((row, n) => {
              const i = shown.from + n
              return (
                // biome-ignore lint/a11y/useKeyWithClickEvents: the button in it is for the keyboard; the row is a larger place to click
                <div
                  key={row.id}
                  data-index={i}
                  className={classes.row}
                  style={{ height, transform: `translateY(${head + i * height}px)` }}
                  role="row"
                  aria-rowindex={i + 2}
                  onClick={() => open(row.id)}
                >
                  {narrow ? <Narrow row={row} /> : <Wide row={row} />}
                </div>
              )
            })}
          </div>
        </div>
      </div>
    </div>
  )
}

const models = (row: Row) => (row.answered && row.answered !== row.asked ? `${row.asked} → ${row.answered}` : row.asked || '(no model)')
const who = (row: Row) => [row.app, row.user].filter(Boolean).join(', ') || '–'

const Wide = memo(function Wide({ row }: { row: Row }) {
  return (
    <>
      <span role="cell">
        <When at={row.at} />
      </span>
      <span role="cell" title={models(row)}>
        <button type="button" className={classes.open} aria-label={`Call of ${models(row)}, status ${row.status}`}>
          {models(row)}
        </button>
      </span>
      <span role="cell" title={who(row)}>
        {who(row)}
      </span>
      <Status row={row} />
      <span role="cell" className={classes.num}>
        {duration(row.ms)}
      </span>
      <span role="cell" className={classes.num}>
        {tokens(row.input)}, {tokens(row.output)}
      </span>
      <span role="cell" className={classes.num}>
        <Money nano={row.cost} />
      </span>
    </>
  )
})

const Narrow = memo(function Narrow({ row }: { row: Row }) {
  return (
    <>
      <span role="cell">
        <button type="button" className={classes.open} aria-label={`Call of ${models(row)}, status ${row.status}`}>
          {models(row)}
        </button>
      </span>
      <Status row={row} />
      <span role="cell" className={classes.dim}>
        <When at={row.at} />, {who(row)}
      </span>
      <span role="cell" className={`${classes.num} ${classes.dim}`}>
        {duration(row.ms)}, <Money nano={row.cost} />
      </span>
    </>
  )
})

/** A call's status, with a sign beside the colour. */
export function Status({ row }: { row: Pick<Row, 'status' | 'code' | 'flags'> }) {
  const failed = row.status >= 400 || row.flags.includes('broken')
  const Icon = row.status === 499 ? IconDoorExit : failed ? IconCircleX : IconCircleCheck
  const note = row.flags.includes('cache-hit') ? ' cache' : row.flags.includes('fallback') ? ' fallback' : ''
  return (
    <span role="cell" className={classes.status} title={[row.code, ...row.flags].filter(Boolean).join(', ') || 'answered'}>
      <Icon size={16} aria-hidden color={failed ? 'var(--corral-critical)' : 'var(--corral-ok)'} style={{ flexShrink: 0 }} />
      {row.status}
      <span className={classes.dim}>{note}</span>
    </span>
  )
}
