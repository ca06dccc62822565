import { Button, Checkbox, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { type Edit, type Model, named } from './queries'
import type { Change } from './Routing'

/** What holds for a name beside its targets: whether it may leave this machine, and what answers when none of them can. */
export function Rules({ model: m, close, done }: { model: Model; close: () => void; done: (c: Change) => void }) {
  const [local, setLocal] = useState(m.local_only ?? false)
  const [similar, setSimilar] = useState(m.last_resort?.includes('similar') ?? false)
  const [text, setText] = useState(sentence(m))
  const edits = ruleEdits(m, {
    local_only: local,
    last_resort: [...(similar ? ['similar'] : []), ...(text.trim() ? [{ static: text.trim() }] : [])],
  })
  return (
    <Modal opened onClose={close} title={<Text fw={650}>Rules of {m.name}</Text>} closeButtonProps={{ 'aria-label': 'Close' }}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          done({ title: `Other rules for ${m.name}`, edits })
        }}
      >
        <Stack>
          <Checkbox
            label="It never leaves this machine"
            description="No target in a cloud may be among its own, and none is asked"
            checked={local}
            onChange={(e) => setLocal(e.currentTarget.checked)}
          />
          <Text size="sm" fw={600}>
            When none of its targets can answer
          </Text>
          <Checkbox
            label="Give a kept answer to a question alike"
            description="Needs an embedding model: cache.similar.model"
            checked={similar}
            onChange={(e) => setSimilar(e.currentTarget.checked)}
          />
          <Textarea
            label="Then say"
            description="A sentence that is marked as none of a model; empty: an error that names each target and what failed"
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            autosize
            maxRows={6}
          />
          <Group justify="flex-end">
            <Button type="submit" disabled={edits.length === 0}>
              Show what changes
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** The sentence that answers at last. */
function sentence(m: Model): string {
  for (const last of m.last_resort ?? []) if (typeof last !== 'string') return last.static
  return ''
}

/** The edits that give a model other rules. What stays the same is not touched. */
export function ruleEdits(was: Model, now: Required<Pick<Model, 'local_only' | 'last_resort'>>): Edit[] {
  const at = named('models', was.name)
  const edits: Edit[] = []
  if (now.local_only !== (was.local_only ?? false)) {
    edits.push(now.local_only ? { op: 'set', path: `${at}.local_only`, value: true } : { op: 'remove', path: `${at}.local_only` })
  }
  if (JSON.stringify(now.last_resort) !== JSON.stringify(was.last_resort ?? [])) {
    edits.push(
      now.last_resort.length > 0
        ? { op: 'set', path: `${at}.last_resort`, value: now.last_resort }
        : { op: 'remove', path: `${at}.last_resort` },
    )
  }
  return edits
}
