import { Alert, Button, Group, List, Stack, Text } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Schema } from '../../api/client'
import { Diff } from '../../components/Diff'
import { Severity } from '../../components/Severity'
import { Failure } from '../../components/States'
import { writing } from './queries'
import classes from './Settings.module.css'

/** What a change would do, and the button that does it. */
export function Review({
  review: r,
  revision,
  leave,
  applied,
}: {
  review: Schema<'ConfigReview'>
  revision: string
  leave: () => void
  applied: (r: Schema<'ConfigReview'>) => void
}) {
  const write = useMutation(writing(useQueryClient()))
  return (
    <Stack gap="sm" component="section" aria-label="What the change does">
      <Text fw={600}>{r.valid ? (r.diff ? 'This changes' : 'Nothing would change') : 'This cannot be applied'}</Text>
      <Problems problems={r.problems} warnings={r.warnings} />
      {r.diff && <Diff text={r.diff} />}
      {r.valid && (r.needs_restart?.length ?? 0) > 0 && (
        <Alert color="orange" variant="outline" title="Waits for the next start of Corral">
          {r.needs_restart?.join(', ')}
        </Alert>
      )}
      {r.valid && (r.held?.length ?? 0) > 0 && (
        <Alert color="orange" variant="outline" title="In the file only">
          {r.held?.join(' ')}
        </Alert>
      )}
      {write.error && <Failure error={write.error} title="It was not applied; what was in force stays so" />}
      <Group>
        <Button
          disabled={!r.valid || !r.diff}
          loading={write.isPending}
          onClick={() => write.mutate({ text: r.text, revision }, { onSuccess: applied })}
        >
          Apply
        </Button>
        <Button variant="default" onClick={leave}>
          Go on editing
        </Button>
      </Group>
    </Stack>
  )
}

/** What became of a change. */
export function Applied({ review: r }: { review: Schema<'ConfigReview'> }) {
  return (
    <Alert color="green" variant="outline" title="Applied" role="status">
      <Text size="sm">The file is written and in force. What was in it before stands beside it, as .bak.</Text>
      {(r.needs_restart?.length ?? 0) > 0 && (
        <>
          <Text size="sm">These wait for the next start:</Text>
          <List size="sm">
            {r.needs_restart?.map((f) => (
              <List.Item key={f}>{f}</List.Item>
            ))}
          </List>
        </>
      )}
      {r.held?.map((h) => (
        <Text size="sm" key={h}>
          {h}
        </Text>
      ))}
    </Alert>
  )
}

type Problem = Schema<'ConfigProblem'>

/** What is wrong, and where. */
export function Problems({ problems, warnings }: { problems: readonly Problem[] | null; warnings: readonly Problem[] | null }) {
  const all = [
    ...(problems ?? []).map((p) => ({ p, level: 'critical' as const })),
    ...(warnings ?? []).map((p) => ({ p, level: 'warning' as const })),
  ]
  if (all.length === 0) return null
  return (
    <ul className={classes.problems}>
      {all.map(({ p, level }) => (
        <li key={`${p.line} ${p.field} ${p.message}`}>
          <Severity level={level} word={[p.line ? `Line ${p.line}` : '', p.field ?? '', p.message].filter(Boolean).join(': ')} />
        </li>
      ))}
    </ul>
  )
}
