import { Button, Group, Progress, SegmentedControl, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { Bars, Shares } from '../../components/Chart'
import { count, counted, day, exactUsd, percent, usd } from '../../components/format'
import { Money } from '../../components/Money'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Stat } from '../../components/Stat'
import { Answered, Empty } from '../../components/States'
import { When } from '../../components/When'
import { Wide } from '../../components/Wide'
import { useNow } from '../../hooks/useNow'
import { budgetsQuery, type Dimension, dimensions, usageQuery } from './queries'
import { csv, everyDay, type Measure, measures, per, told } from './report'

const periods = [
  { value: '1', label: 'Today' },
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
]

/** What was used and spent, by whom and for what, and the budgets. */
export function Page() {
  const now = useNow(60_000)
  const [days, setDays] = useState(30)
  const [by, setBy] = useState<Dimension>('model')
  const [measure, setMeasure] = useState<Measure>('cost')
  const daily = useQuery({ ...usageQuery('day', days, now), placeholderData: keepPreviousData })
  const usage = useQuery({ ...usageQuery(by, days, now), placeholderData: keepPreviousData })
  const budgets = useQuery(budgetsQuery)

  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Costs
        </Title>
        <Group gap="xs">
          <SegmentedControl
            data={measures.map((m) => ({ value: m.value, label: m.label }))}
            value={measure}
            onChange={(v) => setMeasure(v as Measure)}
            aria-label="What the charts show"
          />
          <SegmentedControl data={periods} value={String(days)} onChange={(v) => setDays(Number(v))} aria-label="Period" />
        </Group>
      </Group>
      <Answered query={daily} height={340}>
        {(r) => <Totals report={r} days={days} now={now} measure={measure} />}
      </Answered>
      <Section title="Budgets">
        <Answered query={budgets} height={80}>
          {(b) =>
            (b.budgets?.length ?? 0) === 0 ? (
              <Empty title="There is no budget">
                Write one into corral.yaml: <code>{'budgets: [ { per: day, usd: 5, then: warn } ]'}</code>
              </Empty>
            ) : (
              <Stack component="ul" m={0} p={0} style={{ listStyle: 'none' }}>
                {b.budgets?.map((x) => (
                  <Budget key={`${x.per} ${x.scope} ${x.only} ${x.then} ${x.limit_nano_usd}`} budget={x} />
                ))}
              </Stack>
            )
          }
        </Answered>
      </Section>
      <Section
        title="Where it went"
        right={
          <Group gap="xs">
            <SegmentedControl
              data={[...dimensions]}
              value={by}
              onChange={(v) => setBy(v as Dimension)}
              size="xs"
              aria-label="Broken down by"
            />
            <Button
              size="xs"
              variant="default"
              leftSection={<IconDownload size={14} aria-hidden />}
              disabled={!usage.data?.rows?.length}
              onClick={() => save(`corral-${by}-${days}d.csv`, csv(by, usage.data?.rows ?? []))}
            >
              CSV
            </Button>
          </Group>
        }
      >
        <Answered query={usage} height={200}>
          {(r) => (r.rows?.length ? <Breakdown report={r} measure={measure} /> : <Empty title="No calls in this time" />)}
        </Answered>
      </Section>
    </Stack>
  )
}

function Totals({ report: r, days, now, measure }: { report: Schema<'UsageReport'>; days: number; now: number; measure: Measure }) {
  const t = r.total
  const bars = everyDay(r.rows ?? [], days, now).map(({ key, row }) => ({
    key,
    name: day(key),
    value: row ? told(row, measure).value : 0,
    text: row ? `${told(row, measure).text}, ${counted(row.sum.calls, 'call')}` : 'no calls',
  }))
  const trend = r.trend.cost
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
        <Stat
          label="Spent"
          value={usd(t.cost_nano_usd)}
          title={exactUsd(t.cost_nano_usd)}
          note={
            t.unpriced_calls > 0
              ? `and ${counted(t.unpriced_calls, 'call')} of unknown cost`
              : trend === null
                ? 'nothing to compare it with'
                : `${trend >= 0 ? '+' : ''}${percent(trend)} on the time before`
          }
        />
        <Stat
          label="Saved"
          value={usd(t.saved_nano_usd)}
          title={exactUsd(t.saved_nano_usd)}
          note={`beside ${usd(t.baseline_nano_usd)} in the cloud`}
        />
        <Stat label="Calls" value={count(t.calls)} note={`${count(t.cache_hits)} from the cache, ${count(t.errors)} failed`} />
        <Stat
          label="Tokens"
          value={count(t.input_tokens + t.output_tokens)}
          note={`${count(t.input_tokens)} in, ${count(t.output_tokens)} out`}
        />
      </SimpleGrid>
      {days > 1 && (
        <Section title={`${measures.find((m) => m.value === measure)?.label} a day`}>
          <Bars
            bars={bars}
            label={`A bar for each of ${days} days; ${usd(t.cost_nano_usd)} and ${counted(t.calls, 'call')} in all. By day below, broken down by Day.`}
          />
        </Section>
      )}
    </>
  )
}

function Budget({ budget: b }: { budget: Schema<'Balance'> }) {
  const then = { warn: 'then a warning', 'local-only': 'then models on this machine only', refuse: 'then no more calls' }[b.then]
  const whom = b.only ? `${b.scope} ${b.only}` : b.scope === 'all' ? 'all calls' : `each ${b.scope}`
  return (
    <li>
      <Group justify="space-between" gap="xs">
        <Text fw={500}>
          {usd(b.limit_nano_usd)} {per(b.per)} for {whom}, {then}
        </Text>
        <Text size="xs" c="dimmed">
          anew <When at={b.resets} />
        </Text>
      </Group>
      {(b.accounts?.length ?? 0) === 0 && (
        <Text size="sm" c="dimmed">
          Nothing was spent.
        </Text>
      )}
      {b.accounts?.map((a) => {
        const name = a.name ?? (a.who || (b.scope === 'all' ? 'all' : 'unnamed'))
        const level = a.share >= 1 ? 'critical' : a.share >= 0.8 ? 'warning' : 'ok'
        return (
          <Stack key={a.who} gap={2} mt={4}>
            <Group justify="space-between" gap="xs">
              <Text size="sm">
                {name}: <Money nano={a.spent_nano_usd} /> spent
                {a.reserved_nano_usd > 0 && (
                  <>
                    , <Money nano={a.reserved_nano_usd} /> set aside
                  </>
                )}
              </Text>
              <Severity level={level} word={percent(a.share)} />
            </Group>
            <Progress
              value={Math.min(a.share, 1) * 100}
              color={{ ok: 'cyan', warning: 'orange', critical: 'red' }[level]}
              aria-label={`${name}: ${percent(a.share)} of the budget`}
            />
          </Stack>
        )
      })}
      {b.more > 0 && (
        <Text size="xs" c="dimmed">
          and {count(b.more)} more
        </Text>
      )}
    </li>
  )
}

function Breakdown({ report: r, measure }: { report: Schema<'UsageReport'>; measure: Measure }) {
  const bars = (r.rows ?? []).map((row) => ({ key: row.key, name: row.key || '(none)', ...told(row, measure) }))
  return (
    <Stack>
      {r.by !== 'day' && (
        <Shares
          bars={bars}
          label={`${measures.find((m) => m.value === measure)?.label} by ${r.by}: the figures stand in the table below`}
        />
      )}
      <Wide label="Where it went" least={620}>
        <Table verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col" miw={120} style={{ textTransform: 'capitalize' }}>
                {r.by}
              </Table.Th>
              {['Calls', 'Failed', 'From the cache', 'Tokens in', 'Tokens out', 'Spent', 'Share', 'Saved'].map((h) => (
                <Table.Th key={h} scope="col" ta="right">
                  {h}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {r.rows?.map(({ key, sum: s, share }) => (
              <Table.Tr key={key}>
                <Table.Th scope="row" fw={500} style={{ overflowWrap: 'anywhere' }}>
                  {r.by === 'day' ? day(key) : key || '(none)'}
                </Table.Th>
                <Table.Td ta="right">{count(s.calls)}</Table.Td>
                <Table.Td ta="right">{count(s.errors)}</Table.Td>
                <Table.Td ta="right">{count(s.cache_hits)}</Table.Td>
                <Table.Td ta="right">{count(s.input_tokens)}</Table.Td>
                <Table.Td ta="right">{count(s.output_tokens)}</Table.Td>
                <Table.Td ta="right">
                  <Money nano={s.cost_nano_usd} />
                </Table.Td>
                <Table.Td ta="right">{percent(share.cost)}</Table.Td>
                <Table.Td ta="right">
                  <Money nano={s.saved_nano_usd} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </Stack>
  )
}

/** Hands a file to the browser. */
function save(name: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }))
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  URL.revokeObjectURL(url)
}
