import { Paper, Text } from '@mantine/core'
import type { ReactNode } from 'react'

/** One figure: what it is, how much, and what it is of. The places for all three are kept free, so that nothing jumps. */
export function Stat({
  label,
  value,
  note,
  title,
  children,
}: {
  label: string
  value: ReactNode
  note?: ReactNode
  title?: string
  children?: ReactNode
}) {
  return (
    <Paper withBorder p="md" radius="md" component="section" aria-label={label} title={title}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fz={26} fw={650} lh={1.3} mih={34} component="div" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {value}
      </Text>
      <Text size="xs" c="dimmed" mih={18} component="div">
        {note}
      </Text>
      {children}
    </Paper>
  )
}
