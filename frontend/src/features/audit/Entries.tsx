import { Badge, Button, Collapse, Group, Menu, Paper, Select, SimpleGrid, Table, Text, TextInput, UnstyledButton } from '@mantine/core'
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks'
import { IconAdjustments, IconDownload, IconRefresh } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { count } from '../../components/format'
import { KeyName } from '../../components/KeyName'
import { Money } from '../../components/Money'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Empty, Failure, Loading } from '../../components/States'
import { When } from '../../components/When'
import { Wide } from '../../components/Wide'
import { useKeyNames } from '../../hooks/useKeyNames'
import classes from './Audit.module.css'
import { chosen, exportAddress, type Filter } from './filter'
import { entriesQuery, keysQuery, ledgerQuery } from './queries'
import { flags, flagWord, kind } from './words'

const times = [
  { value: '1', label: 'Last hour' },
  { value: '24', label: 'Last day' },
  { value: '168', label: 'Last 7 days' },
  { value: '720', label: 'Last 30 days' },
  { value: 'between', label: 'Between two times' },
]

/** The entries that fit, newest first. */
export function Entries({
  filter,
  set,
  clear,
  open,
}: {
  filter: Filter
  set: (name: keyof Filter, value: string | null) => void
  clear: () => void
  open: (seq: number) => void
}) {
  const n = chosen(filter)
  const [shown, panel] = useDisclosure(n > 0)
  const entries = useInfiniteQuery(entriesQuery(filter))
  const ledger = useQuery(ledgerQuery)
  const rows = entries.data?.pages.flat() ?? []
  // The count of those that came since says nothing while a filter is set.
  const newest = n === 0 ? rows[0]?.seq : undefined
  const since = newest !== undefined && ledger.data ? ledger.data.next - 1 - newest : 0
  return (
    <Section
      title="Entries"
      right={
        <Group gap="xs">
          <Button
            variant="default"
            leftSection={<IconRefresh size={16} aria-hidden />}
            onClick={() => void entries.refetch()}
            loading={entries.isRefetching}
          >
            {since > 0 ? `${count(since)} newer` : 'Look again'}
          </Button>
          <Button
            variant="default"
            leftSection={<IconAdjustments size={16} aria-hidden />}
            onClick={panel.toggle}
            aria-expanded={shown}
            aria-controls="entry-filters"
          >
            {n > 0 ? `Filters (${n})` : 'Filters'}
          </Button>
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
                Export
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>{n > 0 ? 'All entries that fit the filters' : 'All entries'}</Menu.Label>
              <Menu.Item component="a" href={exportAddress(filter, 'jsonl', Date.now())} download="corral-audit.jsonl">
                JSON, one object a line
              </Menu.Item>
              <Menu.Item component="a" href={exportAddress(filter, 'ocsf', Date.now())} download="corral-audit.ocsf.jsonl">
                OCSF (API Activity, class 6003)
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
      }
    >
      <Collapse expanded={shown} id="entry-filters">
        <Choose filter={filter} set={set} clear={clear} n={n} />
      </Collapse>
      {entries.isPending ? (
        <Loading height={320} />
      ) : entries.error && rows.length === 0 ? (
        <Failure error={entries.error} retry={() => void entries.refetch()} />
      ) : rows.length === 0 ? (
        n > 0 ? (
          <Empty title="No entry is like that">The filters fit none. Names must be whole, as the call had them.</Empty>
        ) : (
          <Empty title="The ledger is empty">Each call leaves an entry here, from the first one on.</Empty>
        )
      ) : (
        <>
          <List rows={rows} open={open} />
          <Group mt="sm" gap="sm">
            <Text size="sm" c="dimmed" role="status">
              {rows.length === 1 ? 'One entry' : `${count(rows.length)} entries`}
              {entries.hasNextPage && ' so far'}
            </Text>
            {entries.hasNextPage && (
              <Button variant="default" size="xs" loading={entries.isFetchingNextPage} onClick={() => void entries.fetchNextPage()}>
                Older ones
              </Button>
            )}
          </Group>
        </>
      )}
    </Section>
  )
}

function Choose({
  filter: f,
  set,
  clear,
  n,
}: {
  filter: Filter
  set: (name: keyof Filter, value: string | null) => void
  clear: () => void
  n: number
}) {
  const keys = useQuery(keysQuery)
  return (
    <Paper withBorder radius="md" p="sm" mb="sm">
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
        <Select label="Time" placeholder="any" data={times} value={f.hours || null} onChange={(v) => set('hours', v)} clearable />
        {f.hours === 'between' && (
          <>
            <TextInput type="datetime-local" label="From" value={f.from} onChange={(e) => set('from', e.currentTarget.value)} />
            <TextInput type="datetime-local" label="Before" value={f.to} onChange={(e) => set('to', e.currentTarget.value)} />
          </>
        )}
        <Select
          label="Key"
          placeholder={keys.data && !keys.data.keys?.length ? 'there is none' : 'any'}
          data={(keys.data?.keys ?? []).map((k) => ({ value: k.id, label: k.name }))}
          value={f.caller || null}
          onChange={(v) => set('caller', v)}
          disabled={!keys.data?.keys?.length && !f.caller}
          clearable
        />
        <Typed name="User" value={f.user} set={(v) => set('user', v)} />
        <Typed name="App" value={f.app} set={(v) => set('app', v)} />
        <Typed name="Model" value={f.model} set={(v) => set('model', v)} />
        <Select
          label="What was noted"
          placeholder="anything"
          data={flags}
          value={f.flag || null}
          onChange={(v) => set('flag', v)}
          searchable
          clearable
        />
        <Group align="flex-end">
          <Button variant="default" disabled={n === 0} onClick={clear}>
            Show all entries
          </Button>
        </Group>
      </SimpleGrid>
    </Paper>
  )
}

/** A filter that is typed. The ledger is asked when the typing rests. */
function Typed({ name, value, set }: { name: string; value: string; set: (value: string) => void }) {
  const [text, setText] = useState(value)
  const [seen, setSeen] = useState(value)
  const tell = useDebouncedCallback(set, 300)
  if (seen !== value) {
    setSeen(value)
    if (value !== text.trim()) setText(value)
  }
  return (
    <TextInput
      label={name}
      placeholder="its whole name"
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value)
        tell(e.currentTarget.value.trim())
      }}
    />
  )
}

function List({ rows, open }: { rows: readonly Schema<'RecordEntry'>[]; open: (seq: number) => void }) {
  const keys = useKeyNames()
  return (
    <Wide label="Entries, newest first" least={760} most={560}>
      <Table verticalSpacing={6} stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Entry</Table.Th>
            <Table.Th scope="col">Time</Table.Th>
            <Table.Th scope="col">What</Table.Th>
            <Table.Th scope="col">Who</Table.Th>
            <Table.Th scope="col">Model</Table.Th>
            <Table.Th scope="col" ta="right">
              Cost
            </Table.Th>
            <Table.Th scope="col">Noted</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((e) => (
            <Table.Tr key={e.seq}>
              <Table.Td>
                <UnstyledButton className={classes.open} fz="sm" onClick={() => open(e.seq)} aria-label={`Show entry #${e.seq}`}>
                  #{e.seq}
                </UnstyledButton>
              </Table.Td>
              <Table.Td style={{ whiteSpace: 'nowrap' }}>
                <When at={e.time} />
              </Table.Td>
              {e.kind === 'call' ? (
                <>
                  <Table.Td style={{ whiteSpace: 'nowrap' }}>
                    <Severity
                      level={(e.status ?? 0) >= 500 ? 'critical' : (e.status ?? 0) >= 400 ? 'warning' : 'ok'}
                      word={String(e.status)}
                    />
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    {e.erased ? 'erased' : e.user || (e.caller ? <KeyName id={e.caller} keys={keys} /> : e.app || '–')}
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>{e.model_answered || e.model_asked || '–'}</Table.Td>
                  <Table.Td ta="right">
                    <Money nano={e.cost_nano_usd} />
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {e.flags
                        ?.filter((f) => f !== 'content')
                        .map((f) => (
                          <Badge key={f} variant="default" size="sm" tt="none" fw={500} title={f}>
                            {flagWord(f)}
                          </Badge>
                        ))}
                    </Group>
                  </Table.Td>
                </>
              ) : (
                <Table.Td colSpan={5}>
                  <Severity level={e.kind === 'gap' ? 'warning' : 'notice'} word={kind(e.kind)} />
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  )
}
