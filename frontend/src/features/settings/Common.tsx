import { ActionIcon, Alert, Button, Group, NumberInput, Select, SimpleGrid, Stack, Table, Text, TextInput } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { Section } from '../../components/Section'
import { Answered, Failure } from '../../components/States'
import { Wide } from '../../components/Wide'
import { type Budget, budgetEdits, budgetsOf, editsOf, type Field, groups, valueAt } from './fields'
import { configQuery, tryEdits } from './queries'
import { Applied, Review } from './Review'

/** The settings that most people look for. What is changed here is changed in corral.yaml, whose comments stay. */
export function Common() {
  const file = useQuery(configQuery)
  const [applied, setApplied] = useState<Schema<'ConfigReview'>>()
  return (
    <Answered query={file} height={520}>
      {(f) => (
        <Stack>
          {applied && <Applied review={applied} />}
          <Form file={f} applied={setApplied} />
        </Stack>
      )}
    </Answered>
  )
}

function Form({ file: f, applied }: { file: Schema<'ConfigFile'>; applied: (r: Schema<'ConfigReview'>) => void }) {
  const [values, setValues] = useState<Record<string, string>>({})
  const [removed, setRemoved] = useState<number[]>([])
  const [added, setAdded] = useState<Budget[]>([])
  const review = useMutation({ mutationFn: tryEdits })
  const [seen, see] = useState(f.revision)
  if (seen !== f.revision) {
    // What was entered stays, against the file as it is now; budgets are meant by their places, which may be others.
    see(f.revision)
    setRemoved([])
  }
  const edits = [...editsOf(f.effective, values), ...budgetEdits(removed, added)]
  const change = (act: () => void) => {
    review.reset()
    act()
  }
  const forget = () => {
    setValues({})
    setRemoved([])
    setAdded([])
  }
  return (
    <Stack>
      {!f.writable && (
        <Alert color="orange" variant="outline" title="The config cannot be changed from here">
          {f.why}
        </Alert>
      )}
      {groups.map((g) => (
        <Section key={g.title} title={g.title}>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {g.fields.map((x) => (
              <Input
                key={x.path}
                field={x}
                value={values[x.path] ?? valueAt(f.effective, x.path)}
                by={f.shadowed[x.path]}
                disabled={!f.writable}
                set={(v) => change(() => setValues((all) => ({ ...all, [x.path]: v })))}
              />
            ))}
          </SimpleGrid>
        </Section>
      ))}
      <Section title="Budgets">
        <Budgets
          budgets={budgetsOf(f.effective)}
          removed={removed}
          added={added}
          disabled={!f.writable}
          remove={(i) => change(() => setRemoved((all) => (all.includes(i) ? all.filter((x) => x !== i) : [...all, i])))}
          set={(list) => change(() => setAdded(list))}
        />
      </Section>
      {review.error && <Failure error={review.error} title="This cannot be applied" />}
      {review.data ? (
        <Section title="Before it is applied">
          <Review
            review={review.data}
            revision={review.data.revision}
            leave={() => review.reset()}
            applied={(r) => {
              change(forget)
              applied(r)
            }}
          />
        </Section>
      ) : (
        <Group>
          <Button disabled={edits.length === 0} loading={review.isPending} onClick={() => review.mutate(edits)}>
            Show what changes
          </Button>
          <Button variant="default" disabled={edits.length === 0} onClick={() => change(forget)}>
            As it was
          </Button>
        </Group>
      )}
    </Stack>
  )
}

function Input({
  field: f,
  value,
  by,
  disabled,
  set,
}: {
  field: Field
  value: string
  by?: string
  disabled: boolean
  set: (v: string) => void
}) {
  const common = {
    label: f.label,
    description: by ? `Set by ${by}: a change of the file has no effect.` : f.about,
    disabled: disabled || !!by,
    inputWrapperOrder: ['label' as const, 'input' as const, 'description' as const, 'error' as const],
  }
  if (typeof f.kind !== 'string')
    return <Select {...common} data={[...f.kind]} value={value || null} onChange={(v) => set(v ?? '')} allowDeselect={false} />
  if (f.kind === 'number') return <NumberInput {...common} value={value} onChange={(v) => set(String(v))} min={0} hideControls />
  return <TextInput {...common} value={value} onChange={(e) => set(e.currentTarget.value)} autoComplete="off" spellCheck={false} />
}

const pers = ['hour', 'day', 'week', 'month']
const scopes = [
  { value: 'all', label: 'all calls together' },
  { value: 'key', label: 'each key' },
  { value: 'user', label: 'each user' },
  { value: 'app', label: 'each app' },
]
const thens = [
  { value: 'warn', label: 'a warning' },
  { value: 'local-only', label: 'models here only' },
  { value: 'refuse', label: 'no more calls' },
]

function Budgets({
  budgets,
  removed,
  added,
  disabled,
  remove,
  set,
}: {
  budgets: readonly Budget[]
  removed: readonly number[]
  added: readonly Budget[]
  disabled: boolean
  remove: (place: number) => void
  set: (list: Budget[]) => void
}) {
  const put = (i: number, change: Partial<Budget>) => set(added.map((b, at) => (at === i ? { ...b, ...change } : b)))
  return (
    <Stack gap="sm">
      {budgets.length === 0 && added.length === 0 && (
        <Text size="sm" c="dimmed">
          There is none: calls may cost what they cost.
        </Text>
      )}
      {(budgets.length > 0 || added.length > 0) && (
        <Wide label="Budgets" least={560}>
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">At most</Table.Th>
                <Table.Th scope="col">In a</Table.Th>
                <Table.Th scope="col">For</Table.Th>
                <Table.Th scope="col">Then</Table.Th>
                <Table.Th scope="col">Remove</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {budgets.map((b, i) => (
                <Table.Tr key={i} style={removed.includes(i) ? { textDecoration: 'line-through' } : undefined}>
                  <Table.Td>${b.usd}</Table.Td>
                  <Table.Td>{b.per}</Table.Td>
                  <Table.Td>{scopes.find((s) => s.value === b.scope)?.label ?? b.scope}</Table.Td>
                  <Table.Td>{thens.find((s) => s.value === b.then)?.label ?? b.then}</Table.Td>
                  <Table.Td ta="right">
                    <Button size="compact-xs" variant="default" disabled={disabled} onClick={() => remove(i)}>
                      {removed.includes(i) ? 'Keep' : 'Remove'}
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
              {added.map((b, i) => (
                <Table.Tr key={`new ${i}`}>
                  <Table.Td>
                    <TextInput
                      aria-label="US dollars"
                      leftSection="$"
                      value={b.usd}
                      onChange={(e) => put(i, { usd: e.currentTarget.value })}
                      inputMode="decimal"
                      w={90}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Select
                      aria-label="In a"
                      data={pers}
                      value={b.per}
                      onChange={(v) => put(i, { per: v ?? 'day' })}
                      allowDeselect={false}
                      w={100}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Select
                      aria-label="For"
                      data={scopes}
                      value={b.scope}
                      onChange={(v) => put(i, { scope: v ?? 'all' })}
                      allowDeselect={false}
                      w={160}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Select
                      aria-label="Then"
                      data={thens}
                      value={b.then}
                      onChange={(v) => put(i, { then: v ?? 'warn' })}
                      allowDeselect={false}
                      w={160}
                    />
                  </Table.Td>
                  <Table.Td ta="right">
                    <ActionIcon variant="default" aria-label="Take it away" onClick={() => set(added.filter((_, at) => at !== i))}>
                      <IconTrash size={16} aria-hidden />
                    </ActionIcon>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
      <Group>
        <Button
          variant="default"
          size="xs"
          disabled={disabled}
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => set([...added, { usd: '5', per: 'day', scope: 'all', then: 'warn' }])}
        >
          Add a budget
        </Button>
      </Group>
    </Stack>
  )
}
