import { Group, Text } from '@mantine/core'
import { IconAlertTriangle, IconCircleCheck, IconCircleX, IconInfoCircle, IconMinus } from '@tabler/icons-react'

export type Level = 'ok' | 'notice' | 'warning' | 'critical' | 'absent'

const looks = {
  ok: { word: 'Well', icon: IconCircleCheck, color: 'var(--corral-ok)' },
  notice: { word: 'Worth knowing', icon: IconInfoCircle, color: 'var(--corral-notice)' },
  warning: { word: 'Warning', icon: IconAlertTriangle, color: 'var(--corral-warning)' },
  critical: { word: 'Critical', icon: IconCircleX, color: 'var(--corral-critical)' },
  absent: { word: 'Not known', icon: IconMinus, color: 'var(--mantine-color-dimmed)' },
} as const

/** How bad something is: a sign, a colour and a word, for no one of them reaches everybody. */
export function Severity({ level, word }: { level: Level; word?: string }) {
  const look = looks[level]
  return (
    <Group gap={6} wrap="nowrap">
      <look.icon size={18} color={look.color} aria-hidden style={{ flexShrink: 0 }} />
      <Text size="sm" span>
        {word ?? look.word}
      </Text>
    </Group>
  )
}

/** Its colour. */
export const severityColor = (level: Level) => looks[level].color
