import { Alert, Badge, Button, Group, Menu, Modal, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { IconChevronDown, IconDownload, IconPlayerEject, IconPlayerPlay, IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { feed } from '../../api/events'
import { bytes, count, counted } from '../../components/format'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Stat } from '../../components/Stat'
import { Answered, Command, Empty, Failure } from '../../components/States'
import { When } from '../../components/When'
import { useNow } from '../../hooks/useNow'
import classes from './Models.module.css'
import { PullDialog, PullRow } from './Pulling'
import { stays, suggestions, withProgress } from './pulls'
import { type Library, libraryQuery, loading, type Model, pulling, removing, unloading } from './queries'

/** The models on this device: what there is, what fits, and more on their way. */
export function Page() {
  const queries = useQueryClient()
  const library = useQuery(libraryQuery)
  const [asked, setAsked] = useState(false)
  const [going, setGoing] = useState<Model>()
  const remove = useMutation(removing(queries))
  useProgress()
  useExpiry(library.data)
  const keepers = (library.data?.servers ?? []).filter((s) => s.keeps)

  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Models
        </Title>
        <Button leftSection={<IconDownload size={16} aria-hidden />} disabled={keepers.length === 0} onClick={() => setAsked(true)}>
          Pull a model
        </Button>
      </Group>
      <Answered query={library} height={420}>
        {(data) => (
          <>
            <Problems library={data} />
            <Figures library={data} />
            {(data.pulls?.length ?? 0) > 0 && (
              <Section title="On their way">
                <Stack component="ul" gap="md" m={0} p={0} style={{ listStyle: 'none' }}>
                  {data.pulls?.map((p) => (
                    <PullRow key={p.id} pull={p} />
                  ))}
                </Stack>
              </Section>
            )}
            <Section title="On this device">
              {(data.models?.length ?? 0) === 0 ? (
                <Nothing able={keepers.some((s) => !s.problem)} />
              ) : (
                <ul className={classes.grid}>
                  {data.models?.map((m) => (
                    <ModelCard
                      key={`${m.provider}/${m.name}`}
                      model={m}
                      remove={() => {
                        remove.reset()
                        setGoing(m)
                      }}
                    />
                  ))}
                </ul>
              )}
            </Section>
          </>
        )}
      </Answered>
      {asked && <PullDialog close={() => setAsked(false)} servers={keepers} pulls={library.data?.pulls ?? []} />}
      <Modal
        opened={going !== undefined}
        onClose={() => setGoing(undefined)}
        title={<Text fw={650}>Remove this model?</Text>}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {going && (
          <Stack>
            <Text className={classes.name}>
              <b>{going.name}</b> is removed from the disk of {going.provider}
              {going.bytes ? `; that frees up to ${bytes(going.bytes)}` : ''}. To have it again, it must be pulled again.
            </Text>
            {(going.used_by?.length ?? 0) > 0 && (
              <Alert color="orange" variant="outline" title="The config names it">
                <Text size="sm">Calls for {going.used_by?.join(', ')} will fail, or go to another target.</Text>
              </Alert>
            )}
            {remove.error && <Failure error={remove.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setGoing(undefined)} data-autofocus>
                Keep it
              </Button>
              <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(going, { onSuccess: () => setGoing(undefined) })}>
                Remove
              </Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </Stack>
  )
}

/** Takes over what the feed tells of pulls, without asking for each step. */
function useProgress() {
  const queries = useQueryClient()
  useEffect(
    () =>
      feed.subscribe((e) => {
        if (e.type !== 'progress' || e.data.task !== 'pull') return
        const now = queries.getQueryData(libraryQuery.queryKey)
        if (!now) return
        const then = withProgress(now, e.data)
        if (then) queries.setQueryData(libraryQuery.queryKey, then)
        else void queries.invalidateQueries({ queryKey: libraryQuery.queryKey })
      }),
    [queries],
  )
}

/** Looks again once the next model should have been let go: nobody tells of that. */
function useExpiry(library: Library | undefined) {
  const queries = useQueryClient()
  const times = (library?.models ?? []).flatMap((m) => (m.loaded?.expires ? [new Date(m.loaded.expires).getTime()] : []))
  const next = times.length > 0 ? Math.min(...times) : undefined
  useEffect(() => {
    if (next === undefined) return
    const wait = Math.min(Math.max(next - Date.now(), 0) + 1_000, 2 ** 31 - 1)
    const timer = setTimeout(() => void queries.invalidateQueries({ queryKey: libraryQuery.queryKey }), wait)
    return () => clearTimeout(timer)
  }, [next, queries])
}

function Problems({ library }: { library: Library }) {
  const servers = library.servers ?? []
  return (
    <>
      {servers.length === 0 && (
        <Alert color="orange" variant="outline" title="No model server is on this device">
          <Text size="sm">
            The config has none whose address is this machine. Add an Ollama to <code>providers</code> in corral.yaml.
          </Text>
        </Alert>
      )}
      {servers
        .filter((s) => s.problem)
        .map((s) => (
          <Alert key={s.name} color="orange" variant="outline" title={`${s.name} is away`}>
            <Stack gap="xs" align="flex-start">
              <Text size="sm">{s.problem}</Text>
              {s.kind === 'ollama' && <Command text="ollama serve" />}
            </Stack>
          </Alert>
        ))}
    </>
  )
}

function Figures({ library: l }: { library: Library }) {
  const models = l.models ?? []
  const loaded = models.filter((m) => m.loaded)
  const onDisk = (l.servers ?? []).reduce((sum, s) => sum + s.bytes, 0)
  const free = (l.servers ?? []).find((s) => s.free)
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
      <Stat
        label="Models"
        value={count(models.length)}
        note={`${bytes(onDisk)} on the disk${free?.free ? `, ${bytes(free.free)} free there` : ''}`}
        title={free?.folder}
      />
      <Stat
        label="In memory"
        value={count(loaded.length)}
        note={loaded.length > 0 ? bytes(loaded.reduce((sum, m) => sum + (m.loaded?.bytes ?? 0), 0)) : 'The next call loads its model'}
      />
      <Stat
        label="Free memory"
        value={l.memory ? bytes(l.memory.free) : '–'}
        note={l.memory ? `of ${bytes(l.memory.total)}` : 'This machine does not show it'}
      />
      <Stat
        label="Free on graphics cards"
        value={l.vram ? bytes(l.vram.free) : '–'}
        note={l.vram ? `of ${bytes(l.vram.total)}` : 'No graphics card is shown'}
      />
    </SimpleGrid>
  )
}

function Nothing({ able }: { able: boolean }) {
  const pull = useMutation(pulling(useQueryClient()))
  if (!able) return <Empty title="No model is shown">Its server has to be there first.</Empty>
  return (
    <Empty title="No model is on this device yet">
      <Stack gap="sm" align="center" mt="xs">
        <span>Begin with a small one; it is pulled from Ollama's library.</span>
        {suggestions.map((s) => (
          <Button key={s.model} variant="default" onClick={() => pull.mutate({ model: s.model })} disabled={pull.isPending}>
            {s.model}, {s.size}: {s.about}
          </Button>
        ))}
        {pull.error && <Failure error={pull.error} />}
      </Stack>
    </Empty>
  )
}

const keeps = [
  { keep: '', label: 'As long as Ollama does by itself' },
  { keep: '30m', label: 'For 30 minutes after its last use' },
  { keep: '4h', label: 'For 4 hours after its last use' },
  { keep: 'forever', label: 'Until it is let go' },
] as const

function ModelCard({ model: m, remove }: { model: Model; remove: () => void }) {
  const queries = useQueryClient()
  const load = useMutation(loading(queries))
  const unload = useMutation(unloading(queries))
  const facts = [
    m.bytes ? bytes(m.bytes) : '',
    m.parameters ? `${m.parameters} parameters` : '',
    m.quantization,
    m.family,
    contextWords(m),
  ].filter(Boolean)
  const failure = load.error ?? unload.error
  return (
    <li className={classes.card} data-loaded={m.loaded ? true : undefined} aria-label={m.name}>
      <Group justify="space-between" gap={6} align="flex-start">
        <div>
          <Text fw={650} className={classes.name}>
            {m.name}
          </Text>
          <Text size="xs" c="dimmed">
            {m.provider}
            {m.modified && (
              <>
                , <When at={m.modified} />
              </>
            )}
          </Text>
        </div>
        {m.loaded && <InMemory expires={m.loaded.expires} />}
      </Group>
      <Text size="sm">{facts.join(' · ')}</Text>
      {(m.capabilities?.length ?? 0) > 0 && (
        <Group gap={6}>
          {m.capabilities?.map((c) => (
            <Badge key={c} variant="default" size="sm" tt="none">
              {c}
            </Badge>
          ))}
        </Group>
      )}
      <FitMeter model={m} />
      {(m.used_by?.length ?? 0) > 0 && (
        <Text size="xs" c="dimmed">
          The config uses it: {m.used_by?.join(', ')}
        </Text>
      )}
      {failure && (
        <Text size="sm" c="error" role="alert" className={classes.name}>
          {failure.message}
        </Text>
      )}
      {m.keeps && (
        <Group gap="xs" className={classes.foot}>
          {m.loaded ? (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlayerEject size={14} aria-hidden />}
              loading={unload.isPending}
              onClick={() => unload.mutate(m)}
              aria-label={`Let go of ${m.name}`}
            >
              Let go
            </Button>
          ) : (
            <Menu position="bottom-start">
              <Menu.Target>
                <Button
                  size="xs"
                  variant="default"
                  leftSection={<IconPlayerPlay size={14} aria-hidden />}
                  rightSection={<IconChevronDown size={14} aria-hidden />}
                  loading={load.isPending}
                  aria-label={`Load ${m.name}`}
                >
                  Load
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {keeps.map((k) => (
                  <Menu.Item key={k.keep} onClick={() => load.mutate({ model: m, keep: k.keep })}>
                    {k.label}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
          )}
          <Button
            size="xs"
            variant="default"
            leftSection={<IconTrash size={14} aria-hidden />}
            onClick={remove}
            aria-label={`Remove ${m.name}`}
          >
            Remove
          </Button>
        </Group>
      )}
    </li>
  )
}

function contextWords(m: Model): string {
  if (m.context && m.trained_context && m.context < m.trained_context)
    return `${counted(m.context, 'token')} of context, made for ${count(m.trained_context)}`
  const n = m.context ?? m.trained_context
  return n ? `${counted(n, 'token')} of context` : ''
}

/** That a model is in memory, and for how long still. */
function InMemory({ expires }: { expires?: string }) {
  const now = useNow(1_000)
  return (
    <div style={{ flexShrink: 0 }}>
      <Severity level="ok" word={`In memory, ${stays(expires, now)}`} />
    </div>
  )
}

const verdicts = {
  loaded: { level: 'ok', word: 'In memory' },
  fits: { level: 'ok', word: 'Fits' },
  tight: { level: 'warning', word: 'Fits tightly' },
  no: { level: 'critical', word: 'Does not fit' },
  away: { level: 'warning', word: 'Not on this device' },
  unknown: { level: 'absent', word: 'Not known whether it fits' },
} as const

/** What a model needs against what is free. */
function FitMeter({ model: m }: { model: Model }) {
  const f = m.fit
  const look = verdicts[f.verdict]
  const share = f.needs && f.free ? Math.min(100, Math.max(2, (100 * f.needs) / f.free)) : undefined
  return (
    <Stack gap={4}>
      {f.verdict !== 'loaded' && <Severity level={look.level} word={look.word} />}
      {share !== undefined && f.verdict !== 'loaded' && (
        <div className={classes.track} aria-hidden>
          <div className={classes.fill} data-verdict={f.verdict} style={{ width: `${share}%` }} />
        </div>
      )}
      <Text size="xs" c="dimmed">
        {f.text}
      </Text>
    </Stack>
  )
}
