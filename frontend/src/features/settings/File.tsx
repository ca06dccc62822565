import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { Schema } from '../../api/client'
import { Section } from '../../components/Section'
import { Answered } from '../../components/States'
import { keepDraft, readDraft } from './draft'
import { check, configQuery } from './queries'
import { Applied, Problems, Review } from './Review'
import classes from './Settings.module.css'

/** corral.yaml itself, with what is wrong beside its lines. */
export function File() {
  const file = useQuery(configQuery)
  const [applied, setApplied] = useState<Schema<'ConfigReview'>>()
  return (
    <Section title="corral.yaml">
      <Answered query={file} height={420}>
        {(f) => (
          <Stack gap="sm">
            {applied && <Applied review={applied} />}
            <Editor file={f} applied={setApplied} />
          </Stack>
        )}
      </Answered>
    </Section>
  )
}

function Editor({ file: now, applied }: { file: Schema<'ConfigFile'>; applied: (r: Schema<'ConfigReview'>) => void }) {
  const [before] = useState(readDraft)
  const [f, begin] = useState(before?.file ?? now) // the file that the text was begun from
  const [text, setText] = useState(before?.text ?? now.text)
  useEffect(() => keepDraft(text === f.text ? undefined : { file: f, text }), [f, text])
  const [shown, show] = useState(false)
  const stale = now.revision !== f.revision
  const take = () => {
    begin(now)
    setText(now.text)
    show(false)
  }
  if (stale && (text === f.text || text === now.text)) take() // else somebody's typing would be lost
  const [rested] = useDebouncedValue(text, 400)
  const changed = text !== f.text
  const checked = useQuery({
    queryKey: ['check of a config', f.revision, rested],
    queryFn: ({ signal }) => check(rested, signal),
    enabled: rested !== f.text,
    placeholderData: keepPreviousData,
    gcTime: 0,
  })
  const told = changed && checked.data ? checked.data : { problems: f.problems, warnings: f.warnings }
  const marks = new Map<number, 'critical' | 'warning'>()
  for (const p of told.warnings ?? []) if (p.line) marks.set(p.line, 'warning')
  for (const p of told.problems ?? []) if (p.line) marks.set(p.line, 'critical')
  const settled = rested === text && !checked.isPlaceholderData && !checked.isFetching
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
        {f.exists ? f.path : `${f.path || 'There is no place for a file'} is not there yet; the first change makes it.`}
      </Text>
      {!f.writable && (
        <Alert color="orange" variant="outline" title="It cannot be changed from here">
          {f.why}
        </Alert>
      )}
      {f.hidden && (
        <Alert color="red" variant="outline" title="A key stands in the file">
          It is not shown. Keep it with <code>corral secrets set</code> and write <code>keyring:NAME</code> in its place.
        </Alert>
      )}
      {Object.keys(f.shadowed).length > 0 && (
        <Text size="sm">
          Set elsewhere, so that the file has no effect on it:{' '}
          {Object.entries(f.shadowed)
            .map(([field, by]) => `${field} (${by})`)
            .join(', ')}
        </Text>
      )}
      {stale && (
        <Alert color="orange" variant="outline" title="The file was changed meanwhile" role="alert">
          <Stack gap="sm" align="flex-start">
            <Text size="sm">What you typed is still here, and was begun from the file as it was before.</Text>
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={take}>
                Take the file as it is now
              </Button>
              <Button size="xs" variant="default" onClick={() => begin(now)}>
                Keep my text in its place
              </Button>
            </Group>
          </Stack>
        </Alert>
      )}
      <div className={classes.editor}>
        <div className={classes.numbers} aria-hidden>
          {text.split('\n').map((_, i) => (
            <div key={i} data-level={marks.get(i + 1)}>
              {i + 1}
            </div>
          ))}
        </div>
        <textarea
          className={classes.text}
          value={text}
          rows={text.split('\n').length}
          readOnly={!f.writable}
          onChange={(e) => {
            setText(e.currentTarget.value)
            show(false)
          }}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          aria-label="Text of corral.yaml"
        />
      </div>
      {!shown && (
        <>
          <div role="status">
            <Problems problems={told.problems} warnings={told.warnings} />
            {changed && settled && checked.data?.valid && (
              <Text size="sm" c="dimmed">
                Valid.
              </Text>
            )}
            {checked.error && changed && <Text size="sm">{checked.error.message}</Text>}
          </div>
          <Group>
            <Button disabled={stale || !changed || !settled || !checked.data} onClick={() => show(true)}>
              Show what changes
            </Button>
            <Button variant="default" disabled={!changed} onClick={() => setText(f.text)}>
              As it was
            </Button>
          </Group>
        </>
      )}
      {shown && checked.data && <Review review={checked.data} revision={f.revision} leave={() => show(false)} applied={applied} />}
    </Stack>
  )
}
