import { ActionIcon, Autocomplete, Button, Card, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconGripVertical, IconPlus, IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Section } from '../../components/Section'
import { Empty } from '../../components/States'
import classes from './Chains.module.css'
import { moved, moves } from './order'
import { breaking, type Model, named, type Provider, type Target, targetsQuery, trying } from './queries'
import type { Change } from './Routing'
import { Rules } from './Rules'

interface Props {
  models: Model[]
  providers: Provider[]
  writable: boolean
  propose: (c: Change) => void
  say: (text: string) => void
}

/** The names that apps ask for, and the targets of each in their order. */
export function Chains({ models, providers, writable, propose, say }: Props) {
  const [adding, setAdding] = useState<string>() // the name that gets a target; empty: a new name
  return (
    <Section
      title="Names that apps ask for"
      right={
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={16} aria-hidden />}
          disabled={!writable}
          onClick={() => setAdding('')}
        >
          Add a name
        </Button>
      }
    >
      {models.length === 0 ? (
        <Empty title="No name has targets of its own">
          Every model name goes to the first server. A name with several targets goes on to the next one when the first cannot answer.
        </Empty>
      ) : (
        <Stack>
          {models.map((m) => (
            <Chain
              key={`${m.name} ${JSON.stringify(m.targets)}`}
              model={m}
              writable={writable}
              propose={propose}
              say={say}
              add={() => setAdding(m.name)}
            />
          ))}
        </Stack>
      )}
      {adding !== undefined && (
        <NewTarget
          name={adding}
          taken={models.map((m) => m.name)}
          providers={providers}
          close={() => setAdding(undefined)}
          done={(c) => {
            setAdding(undefined)
            propose(c)
          }}
        />
      )}
    </Section>
  )
}

function Chain({
  model: m,
  writable,
  propose,
  say,
  add,
}: {
  model: Model
  writable: boolean
  propose: (c: Change) => void
  say: (s: string) => void
  add: () => void
}) {
  const was = m.targets ?? []
  const [order, setOrder] = useState(was)
  const [dragged, setDragged] = useState<number>()
  const [over, setOver] = useState<number>()
  const [ruling, setRuling] = useState(false)
  const edits = moves(m.name, was, order)
  const put = (from: number, to: number) => {
    if (to < 0 || to >= order.length || from === to) return
    const t = order[from] as Target
    setOrder(moved(order, from, to))
    say(`${t.provider}/${t.model} is now number ${to + 1} of ${order.length} for ${m.name}. Not written yet.`)
  }
  return (
    <Card withBorder>
      <Group justify="space-between" mb="xs">
        <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
          {m.name}
          {m.local_only && (
            <Text span size="sm" c="dimmed">
              {' '}
              never leaves this machine
            </Text>
          )}
        </Text>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" disabled={!writable} onClick={add} aria-label={`Add a target to ${m.name}`}>
            Add a target
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            disabled={!writable}
            onClick={() => setRuling(true)}
            aria-label={`Rules of ${m.name}`}
          >
            Rules
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            disabled={!writable}
            onClick={() => propose({ title: `Remove ${m.name}?`, edits: [{ op: 'remove', path: named('models', m.name) }] })}
            aria-label={`Remove ${m.name}`}
          >
            Remove
          </Button>
        </Group>
      </Group>
      <ol className={classes.list} aria-label={`Targets of ${m.name}, in order`}>
        {order.map((t, i) => (
          <li
            key={`${t.provider}/${t.model}`}
            className={classes.target}
            data-over={over === i}
            draggable={writable}
            onDragStart={() => setDragged(i)}
            onDragEnd={() => {
              setDragged(undefined)
              setOver(undefined)
            }}
            onDragOver={(e) => {
              if (dragged === undefined) return
              e.preventDefault()
              setOver(i)
            }}
            onDrop={(e) => {
              e.preventDefault()
              if (dragged !== undefined) put(dragged, i)
            }}
          >
            <ActionIcon
              variant="subtle"
              color="gray"
              className={classes.grip}
              disabled={!writable}
              aria-label={`Move ${t.provider}/${t.model}: number ${i + 1} of ${order.length}; arrow keys move it`}
              onKeyDown={(e) => {
                const to = { ArrowUp: i - 1, ArrowDown: i + 1, Home: 0, End: order.length - 1 }[e.key]
                if (to === undefined) return
                e.preventDefault()
                put(i, to)
              }}
            >
              <IconGripVertical size={18} aria-hidden />
            </ActionIcon>
            <Text size="sm" className={classes.name}>
              {i + 1}. {t.provider}/{t.model}
            </Text>
            <BreakerOf target={t} />
            <ActionIcon
              variant="subtle"
              color="gray"
              disabled={!writable || edits.length > 0}
              aria-label={`Take ${t.provider}/${t.model} out of ${m.name}`}
              onClick={() =>
                propose({
                  title: `Take ${t.provider}/${t.model} out of ${m.name}?`,
                  edits: [{ op: 'remove', path: `${named('models', m.name)}.targets[${i}]` }],
                })
              }
            >
              <IconTrash size={18} aria-hidden />
            </ActionIcon>
          </li>
        ))}
      </ol>
      {(m.last_resort?.length ?? 0) > 0 && (
        <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          When none of them can:{' '}
          {m.last_resort?.map((l) => (typeof l === 'string' ? 'an answer to a question alike' : `“${l.static}”`)).join(', then ')}
        </Text>
      )}
      {edits.length > 0 && (
        <Group gap="xs" mt="xs">
          <Button size="compact-sm" onClick={() => propose({ title: `Another order for ${m.name}`, edits })}>
            Show what changes
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setOrder(was)}>
            As it was
          </Button>
        </Group>
      )}
      {ruling && (
        <Rules
          model={m}
          close={() => setRuling(false)}
          done={(c) => {
            setRuling(false)
            propose(c)
          }}
        />
      )}
    </Card>
  )
}

const hand = [
  { value: '', label: 'By itself' },
  { value: 'open', label: 'Keep calls away' },
  { value: 'closed', label: 'Always let calls through' },
]

function BreakerOf({ target: t }: { target: Target }) {
  const all = useQuery(targetsQuery)
  const set = useMutation(breaking(useQueryClient()))
  const b = all.data?.targets?.find((x) => x.provider === t.provider && x.model === t.model)
  return (
    <Group gap="xs" wrap="nowrap">
      {b && b.state !== 'closed' && (
        <Text size="sm" c="dimmed">
          {b.state}
        </Text>
      )}
      <Select
        size="xs"
        w={190}
        aria-label={`Breaker of ${t.provider}/${t.model}`}
        data={hand}
        value={b?.pin ?? ''}
        allowDeselect={false}
        disabled={set.isPending}
        error={set.error?.message}
        onChange={(v) =>
          set.mutate({ provider: t.provider, model: t.model, action: v === 'open' ? 'pin-open' : v === 'closed' ? 'pin-closed' : 'unpin' })
        }
      />
    </Group>
  )
}

function NewTarget({
  name,
  taken,
  providers,
  close,
  done,
}: {
  name: string
  taken: string[]
  providers: Provider[]
  close: () => void
  done: (c: Change) => void
}) {
  const [called, setCalled] = useState(name)
  const [provider, setProvider] = useState(providers[0]?.name ?? '')
  const [model, setModel] = useState('')
  const known = useQuery({
    queryKey: ['routing/models', provider],
    queryFn: () => trying.mutationFn({ name: provider }),
    enabled: provider !== '',
    staleTime: 30_000,
  })
  const twice = name === '' && taken.includes(called.trim())
  const target = { provider, model: model.trim() }
  return (
    <Modal
      opened
      onClose={close}
      title={<Text fw={650}>{name ? `Add a target to ${name}` : 'Add a name'}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form
        onSubmit={(e) => {
          e.preventDefault()
          const edit = name
            ? { op: 'add' as const, path: `${named('models', name)}.targets`, value: target }
            : { op: 'add' as const, path: 'models', value: { name: called.trim(), targets: [target] } }
          done({ title: name ? `Add a target to ${name}` : `Add ${called.trim()}`, edits: [edit] })
        }}
      >
        <Stack>
          {!name && (
            <TextInput
              label="Name"
              description="What apps ask for, such as chat"
              value={called}
              onChange={(e) => setCalled(e.currentTarget.value)}
              error={twice ? 'There is one of this name already' : undefined}
              required
              data-autofocus
            />
          )}
          <Select
            label="Server"
            data={providers.map((p) => p.name)}
            value={provider}
            onChange={(v) => setProvider(v ?? '')}
            allowDeselect={false}
          />
          <Autocomplete
            label="Model"
            description={
              known.isFetching
                ? 'Asking the server what it has…'
                : (known.data?.problem ?? known.error?.message ?? 'One that the server has')
            }
            data={[...new Set(known.data?.models ?? [])]}
            value={model}
            onChange={setModel}
            required
          />
          <Group justify="flex-end">
            <Button type="submit" disabled={twice || model.trim() === '' || provider === '' || called.trim() === ''}>
              Show what changes
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
