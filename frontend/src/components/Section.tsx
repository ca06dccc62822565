import { Group, Paper, Title } from '@mantine/core'
import { type ReactNode, useId } from 'react'

/** A named part of a page. */
export function Section({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }) {
  const id = useId()
  return (
    <Paper component="section" withBorder p="md" radius="md" aria-labelledby={id}>
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2} size="h4" id={id}>
          {title}
        </Title>
        {right}
      </Group>
      {children}
    </Paper>
  )
}
