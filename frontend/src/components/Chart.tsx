import { Box, Group, Text } from '@mantine/core'
import classes from './Chart.module.css'

/** A line of the last values, oldest first; gaps where one is not known. It begins at 0 and ends at most, or at the highest. */
export function Sparkline({
  values,
  most,
  label,
  height = 32,
}: {
  values: readonly (number | undefined)[]
  most?: number
  label: string
  height?: number
}) {
  const top = most ?? Math.max(...values.map((v) => v ?? 0), 1)
  const width = Math.max(values.length - 1, 1)
  const pieces: string[] = []
  let pen = 'M'
  values.forEach((v, i) => {
    if (v === undefined) {
      pen = 'M'
      return
    }
    pieces.push(`${pen}${i} ${(1 - Math.min(v / top, 1)) * 100}`)
    pen = 'L'
  })
  return (
    <svg className={classes.line} viewBox={`0 -4 ${width} 108`} preserveAspectRatio="none" style={{ height }} role="img" aria-label={label}>
      <path d={pieces.join('')} />
    </svg>
  )
}

export type Bar = { key: string; name: string; value: number; text: string }

/** Bars in a row, each with its value on hover. Screen readers get the label; the same figures stand in a table nearby. */
export function Bars({ bars, label, height = 140 }: { bars: readonly Bar[]; label: string; height?: number }) {
  const top = Math.max(...bars.map((b) => b.value), 0)
  return (
    <Box>
      <div className={classes.bars} style={{ height }} role="img" aria-label={label}>
        {bars.map((b) => (
          <div key={b.key} className={classes.slot} title={`${b.name}: ${b.text}`}>
            <div className={classes.bar} style={{ height: top > 0 ? `${(b.value / top) * 100}%` : 0 }} />
          </div>
        ))}
      </div>
      <Group justify="space-between" mt={4} aria-hidden>
        <Text size="xs" c="dimmed">
          {bars[0]?.name}
        </Text>
        <Text size="xs" c="dimmed">
          {bars.length > 1 ? bars.at(-1)?.name : ''}
        </Text>
      </Group>
    </Box>
  )
}

/** Bars below each other, the longest first, each with its name and value. The same figures stand in a table nearby. */
export function Shares({ bars, label, most = 8 }: { bars: readonly Bar[]; label: string; most?: number }) {
  const shown = [...bars].sort((a, b) => b.value - a.value).slice(0, most)
  const top = Math.max(...shown.map((b) => b.value), 0)
  return (
    <div className={classes.shares} role="img" aria-label={label}>
      {shown.map((b) => (
        <div key={b.key} className={classes.share} title={`${b.name}: ${b.text}`}>
          <span className={classes.name}>{b.name}</span>
          <span className={classes.track}>
            <span className={classes.part} style={{ width: top > 0 ? `${(b.value / top) * 100}%` : 0 }} />
          </span>
          <span className={classes.value}>{b.text}</span>
        </div>
      ))}
    </div>
  )
}
