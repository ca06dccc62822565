import { Anchor, Badge, Group, Paper, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core'
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Schema } from '../../api/client'
import { Sparkline } from '../../components/Chart'
import { bytes, count, counted, duration, exactUsd, percent, unknown, usd } from '../../components/format'
import { Section } from '../../components/Section'
import { type Level, Severity, severityColor } from '../../components/Severity'
import { Stat } from '../../components/Stat'
import { Answered, Command, Empty } from '../../components/States'
import { When } from '../../components/When'
import { Wide } from '../../components/Wide'
import { useNow } from '../../hooks/useNow'
import { useRecentCalls } from '../../hooks/useRecentCalls'
import { latency, perMinute, reach, sample, speed, verdict, whole } from './figures'
import { remember } from './history'
import { healthQuery, levelsQuery, statusQuery, targetsQuery, todayQuery } from './queries'

/** How long back the figures of the feed look, in minutes. */
const lately = 15

/** How Corral and its machine are at the moment. */
export function Page() {
  const health = useQuery(healthQuery)
  return (
    <Stack>
      <Title order={1} size="h2">
        Overview
      </Title>
      <Answered query={health} height={600}>
        {(h) => <Verdict health={h} />}
      </Answered>
      {/* How high what is above becomes is not known before: until then nothing stands below it that would jump. */}
      {health.isFetched && <Rest health={health} />}
    </Stack>
  )
}

function Rest({ health }: { health: UseQueryResult<Schema<'Health'>> }) {
  return (
    <>
      <Figures />
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Section
          title="Machine"
          right={
            <Text size="xs" c="dimmed">
              lines: the last minutes
            </Text>
          }
        >
          <Answered query={health} height={220}>
            {(h) => <Machine facts={h.machine} at={health.dataUpdatedAt} />}
          </Answered>
        </Section>
        <Targets />
      </SimpleGrid>
      <Levels />
    </>
  )
}

function Verdict({ health }: { health: Schema<'Health'> }) {
  const { level, sentence } = verdict(health)
  const worst = (health.conditions ?? []).filter((c) => !c.absent && (c.severity === 'warning' || c.severity === 'critical')).slice(0, 3)
  return (
    <Paper withBorder radius="md" p="md" style={{ borderLeft: `5px solid ${severityColor(level)}` }} role="status">
      <Group justify="space-between" gap="xs">
        <Text fw={650} size="lg">
          {sentence}
        </Text>
        <Group gap="md">
          <Severity level={level} />
          <Anchor component={Link} to="/health" size="sm" underline="always">
            Health
          </Anchor>
        </Group>
      </Group>
      {worst.map((c) => (
        <Stack key={c.code + c.subject} gap={2} mt="xs">
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            <b>
              {c.title}
              {c.subject && ` (${c.subject})`}:
            </b>{' '}
            {c.text}
          </Text>
          {c.do && <Command text={c.do} />}
        </Stack>
      ))}
    </Paper>
  )
}

function Figures() {
  const now = useNow(5_000)
  const calls = useRecentCalls()
  const today = useQuery(todayQuery(now))
  const minutes = useMemo(() => perMinute(calls, Math.max(now, Date.now()), lately), [calls, now])
  const times = useMemo(() => latency(calls, Math.max(now, Date.now()), lately), [calls, now])
  const wholes = useMemo(() => latency(calls, Math.max(now, Date.now()), lately, whole), [calls, now])
  const pace = useMemo(() => speed(calls, Math.max(now, Date.now()), lately), [calls, now])
  const status = useQuery(statusQuery)
  const ofLate = reach(calls, now, lately, status.data?.started)
  const total = today.data?.total
  const inAll = minutes.reduce((a, b) => a + b, 0)
  const wait = today.error ? unknown : '…'
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
      <Stat label="Calls in the last minute" value={count(minutes.at(-1) ?? 0)} note={`${count(inAll)} ${ofLate}`}>
        <Sparkline values={minutes} label={`Calls a minute over ${lately} minutes: at most ${Math.max(...minutes)}`} />
      </Stat>
      <Stat
        label="Time to first content"
        title="Half of the answered calls were faster than the first figure, 95 of 100 faster than the second"
        value={times ? duration(times.p50) : unknown}
        note={times ? `p50 of ${counted(times.calls, 'call')}; p95 ${duration(times.p95)}` : `no call ${ofLate}`}
      />
      <Stat
        label="Time of a whole answer"
        title="Half of the answered calls took less than the first figure, 95 of 100 less than the second"
        value={wholes ? duration(wholes.p50) : unknown}
        note={wholes ? `p50 of ${counted(wholes.calls, 'call')}; p95 ${duration(wholes.p95)}` : `no call ${ofLate}`}
      />
      <Stat
        label="Speed of the models"
        title="Tokens that models gave, over the whole time of their calls; kept answers do not count"
        value={pace ? `${counted(Math.round(pace.rate), 'token')}/s` : unknown}
        note={pace ? `over ${counted(pace.calls, 'call')}` : `no model answered ${ofLate}`}
      />
      <Stat
        label="Tokens today"
        value={total ? count(total.input_tokens + total.output_tokens) : wait}
        note={total ? `${count(total.input_tokens)} in, ${count(total.output_tokens)} out` : ''}
      />
      <Stat
        label="Answered from the cache today"
        value={total ? percent(total.calls > 0 ? total.cache_hits / total.calls : null) : wait}
        note={total ? `${count(total.cache_hits)} of ${counted(total.calls, 'call')}` : ''}
      />
      <Stat
        label="Spent today"
        value={total ? usd(total.cost_nano_usd) : wait}
        title={exactUsd(total?.cost_nano_usd)}
        note={
          total
            ? total.unpriced_calls > 0
              ? `${counted(total.unpriced_calls, 'call')} of unknown cost`
              : counted(total.calls, 'call')
            : ''
        }
      />
      <Stat
        label="Saved today"
        value={total ? usd(total.saved_nano_usd) : wait}
        title={exactUsd(total?.saved_nano_usd)}
        note={total ? 'beside a model in the cloud' : ''}
      />
    </SimpleGrid>
  )
}

function Machine({ facts, at }: { facts: Schema<'Facts'>; at: number }) {
  const samples = useMemo(() => remember(sample(facts, at)), [facts, at])
  const gpu = facts.gpus?.[0]
  const rows = [
    {
      name: 'Memory',
      value: facts.memory && `${bytes(facts.memory.total - facts.memory.available)} of ${bytes(facts.memory.total)}`,
      line: samples.map((s) => s.memory),
      absent: facts.absent?.memory,
    },
    {
      name: 'Processor',
      value: facts.cpu && `${Math.round(facts.cpu.busy)} % of ${counted(facts.cpu.cores, 'core')}`,
      line: samples.map((s) => s.cpu),
      absent: facts.absent?.cpu,
    },
    {
      name: 'Disk',
      value: facts.disk && `${bytes(facts.disk.free)} free of ${bytes(facts.disk.total)}`,
      line: samples.map((s) => s.disk),
      absent: facts.absent?.disk,
    },
    {
      name: 'Temperature',
      value: facts.temperature && `${Math.round(facts.temperature.celsius)} °C`,
      line: samples.map((s) => s.celsius),
      absent: facts.absent?.temperature,
    },
    {
      name: gpu ? `GPU ${gpu.name}` : 'GPU',
      value: gpu && (gpu.busy === undefined ? 'there' : `${Math.round(gpu.busy)} % busy`),
      line: samples.map((s) => s.gpu),
      absent: facts.absent?.gpus,
    },
  ]
  return (
    <Stack gap="sm" component="ul" m={0} p={0} style={{ listStyle: 'none' }}>
      {rows.map((r) => (
        <li key={r.name}>
          <Group justify="space-between" gap="xs" align="baseline">
            <Text size="sm" fw={500}>
              {r.name}
            </Text>
            <Text size="sm" c={r.value ? undefined : 'dimmed'} ta="right" style={{ fontVariantNumeric: 'tabular-nums' }}>
              {r.value ?? r.absent ?? unknown}
            </Text>
          </Group>
          {r.value && <Sparkline values={r.line} most={100} height={22} label={`${r.name} over the last minutes`} />}
        </li>
      ))}
    </Stack>
  )
}

const breakers: Record<string, { level: Level; word: string }> = {
  closed: { level: 'ok', word: 'in use' },
  'half-open': { level: 'notice', word: 'being tried again' },
  open: { level: 'warning', word: 'left alone' },
  limited: { level: 'warning', word: 'over its limit (429)' },
  auth: { level: 'critical', word: 'key refused' },
}

function Targets() {
  const status = useQuery(statusQuery)
  const targets = useQuery(targetsQuery)
  return (
    <Section title="Model servers and targets">
      <Answered query={status} height={60}>
        {(s) => (
          <Stack gap="xs" mb="md">
            {s.providers?.map((p) => {
              const queue = targets.data?.queues?.find((q) => q.provider === p.name)
              return (
                <Group key={p.name} justify="space-between" gap="xs">
                  <Group gap="xs" style={{ minWidth: 0 }}>
                    <Text size="sm" fw={500}>
                      {p.name}
                    </Text>
                    <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                      {p.kind}, {p.url}
                    </Text>
                  </Group>
                  <Group gap="xs">
                    {queue && (queue.running > 0 || queue.waiting > 0) && (
                      <Text size="xs" c="dimmed">
                        {queue.running} running, {queue.waiting} waiting
                      </Text>
                    )}
                    <Severity level={p.reachable ? 'ok' : 'critical'} word={p.reachable ? 'answers' : (p.problem ?? 'does not answer')} />
                  </Group>
                </Group>
              )
            })}
          </Stack>
        )}
      </Answered>
      <Answered query={targets} height={100}>
        {(t) =>
          (t.targets?.length ?? 0) === 0 ? (
            <Empty title="No target was used yet">A target is a model at a provider. It stands here from its first call on.</Empty>
          ) : (
            <Wide label="Targets" least={280}>
              <Table verticalSpacing={6}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th scope="col">Target</Table.Th>
                    <Table.Th scope="col">Breaker</Table.Th>
                    <Table.Th scope="col">Since</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {t.targets?.map((x) => {
                    const look = breakers[x.state] ?? { level: 'notice' as const, word: x.state }
                    return (
                      <Table.Tr key={`${x.provider}/${x.model}`}>
                        <Table.Td style={{ overflowWrap: 'anywhere' }}>
                          {x.provider}/{x.model || '(no model)'}
                          {x.why && (
                            <Text size="xs" c="dimmed">
                              {x.why}
                            </Text>
                          )}
                        </Table.Td>
                        <Table.Td>
                          <Severity level={look.level} word={look.word} />
                          {x.pin && (
                            <Badge variant="default" size="sm">
                              pinned {x.pin}
                            </Badge>
                          )}
                        </Table.Td>
                        <Table.Td>
                          <When at={x.since} />
                        </Table.Td>
                      </Table.Tr>
                    )
                  })}
                </Table.Tbody>
              </Table>
            </Wide>
          )
        }
      </Answered>
    </Section>
  )
}

const windows: Record<string, string> = { '1h': 'Last hour', '1d': 'Last day', '30d': 'Last 30 days' }
const objectives: Record<string, string> = { availability: 'Availability', error_rate: 'Error rate', latency_p95: 'Latency, p95' }

function Levels() {
  const levels = useQuery(levelsQuery)
  const figure = (name: string, n: number | null) => (name === 'latency_p95' ? duration(n === null ? null : n * 1000) : percent(n))
  return (
    <Section title="Service levels">
      <Answered query={levels} height={170}>
        {(r) => (
          <Wide label="Service levels" least={520}>
            <Table verticalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th scope="col">Objective</Table.Th>
                  {r.windows?.map((w) => (
                    <Table.Th scope="col" key={w.window}>
                      {windows[w.window] ?? w.window}
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {r.windows?.[0]?.objectives?.map((o, i) => (
                  <Table.Tr key={o.name}>
                    <Table.Th scope="row" fw={500}>
                      {objectives[o.name] ?? o.name}
                      <Text size="xs" c="dimmed" fw={400}>
                        {o.name === 'availability' ? 'at least' : 'at most'} {figure(o.name, o.target)}
                      </Text>
                    </Table.Th>
                    {r.windows?.map((w) => {
                      const x = w.objectives?.[i]
                      if (!x) return <Table.Td key={w.window}>{unknown}</Table.Td>
                      return (
                        <Table.Td key={w.window}>
                          {x.actual === null ? (
                            <Severity level="absent" word="no calls" />
                          ) : (
                            <Severity level={x.met ? 'ok' : 'warning'} word={figure(x.name, x.actual)} />
                          )}
                          <Text size="xs" c="dimmed">
                            {x.actual === null
                              ? ''
                              : x.budget_left < 0
                                ? 'error budget used up'
                                : `${percent(x.budget_left)} of the error budget left`}
                          </Text>
                        </Table.Td>
                      )
                    })}
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
        )}
      </Answered>
    </Section>
  )
}
