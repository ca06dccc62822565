import { Button, Code, Collapse, Group, Loader, Paper, Select, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks'
import { IconAdjustments, IconPlayerPause, IconPlayerPlay, IconSearch } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { recentCalls } from '../../api/calls'
import { counted } from '../../components/format'
import { Empty, Failure, Loading } from '../../components/States'
import { useRecentCalls } from '../../hooks/useRecentCalls'
import { CallDrawer } from './CallDrawer'
import { CallList } from './CallList'
import { historyQuery } from './queries'
import { type Filter, found, fromEvent, grown, matches, merged, noHistory, readFilter } from './rows'

const times = [
  { value: '1', label: 'Last hour' },
  { value: '24', label: 'Last day' },
  { value: '168', label: 'Last 7 days' },
  { value: '720', label: 'Last 30 days' },
]

const statuses = ['200', '400', '401', '403', '404', '408', '413', '429', '499', '500', '502', '503', '504']

const flags = [
  { value: 'cache-hit', label: 'from the cache' },
  { value: 'fallback', label: 'another target answered' },
  { value: 'retried', label: 'tried more than once' },
  { value: 'last-resort', label: 'last resort' },
  { value: 'refused', label: 'refused' },
  { value: 'broken', label: 'broke off' },
  { value: 'caller-left', label: 'caller left' },
  { value: 'left-device', label: 'left this device' },
  { value: 'secret', label: 'a key or password was in it' },
  { value: 'pii', label: 'personal data was in it' },
  { value: 'injection', label: 'it looked like an attack' },
  { value: 'redacted', label: 'something was hidden' },
  { value: 'blocked', label: 'refused by the guard' },
  { value: 'over-budget', label: 'over a budget' },
  { value: 'cost-unknown', label: 'cost not known' },
]

/** Every call: those that end now on top, those of the ledger below. */
export function Page() {
  const [params, setParams] = useSearchParams()
  const filter = useMemo(() => readFilter(params), [params])
  const chosen = Object.values(filter).filter(Boolean).length
  const id = params.get('call') ?? ''
  const recent = useRecentCalls()
  const [held, setHeld] = useState<typeof recent>()
  const [read, setRead] = useState<typeof recent>() // those of the feed when the reader went down the list, which then stands still
  const [shown, panel] = useDisclosure(chosen > 0)
  const history = useInfiniteQuery(historyQuery(filter))

  const set = useCallback(
    (name: keyof Filter | 'call', value: string | null) =>
      setParams(
        (now) => {
          const next = new URLSearchParams(now)
          if (value) next.set(name, value)
          else next.delete(name)
          return next
        },
        { replace: name !== 'call' },
      ),
    [setParams],
  )

  const [past, setPast] = useState(noHistory)
  const pages = history.data?.pages ?? noHistory.pages
  if (past.pages !== pages) setPast(grown(past, pages))
  const [search, setSearch] = useState('')
  const wanted = useDeferredValue(search)
  const live = held ?? read ?? recent
  const down = useCallback((yes: boolean) => setRead((was) => (yes ? (was ?? recentCalls.current()) : undefined)), [])
  const rows = useMemo(() => {
    const now = Date.now()
    const all = merged(
      live.map(fromEvent).filter((row) => matches(row, filter, now)),
      past,
    )
    return found(all, wanted)
  }, [live, past, filter, wanted])

  const { fetchNextPage, isFetchingNextPage, hasNextPage } = history
  const loadMore = useCallback(() => {
    if (!isFetchingNextPage) void fetchNextPage()
  }, [fetchNextPage, isFetchingNextPage])
  // Who searches goes through all of the ledger, also where the newest calls have nothing of it.
  useEffect(() => {
    if (wanted.trim() && rows.length === 0 && hasNextPage) loadMore()
  }, [wanted, rows.length, hasNextPage, loadMore])
  const open = useCallback((id: string) => set('call', id), [set])

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Calls
        </Title>
        <Group gap="xs">
          <TextInput
            aria-label="Search"
            placeholder="Search: model, app, user, id…"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={search}
            onChange={(e) => setSearch(e.currentTarget.value)}
          />
          <Button
            variant="default"
            leftSection={held ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
            onClick={() => setHeld(held ? undefined : recent)}
          >
            {held ? 'Go on' : 'Hold still'}
          </Button>
          <Button
            variant="default"
            leftSection={<IconAdjustments size={16} aria-hidden />}
            onClick={panel.toggle}
            aria-expanded={shown}
            aria-controls="filters"
          >
            {chosen > 0 ? `Filters (${chosen})` : 'Filters'}
          </Button>
        </Group>
      </Group>
      <Collapse expanded={shown} id="filters">
        <Paper withBorder radius="md" p="sm">
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
            <Typed name="Model" hint="its whole name" value={filter.model} set={(v) => set('model', v)} />
            <Typed name="App" value={filter.app} set={(v) => set('app', v)} />
            <Typed name="User" value={filter.user} set={(v) => set('user', v)} />
            <Typed name="Provider" value={filter.provider} set={(v) => set('provider', v)} />
            <Typed name="Request id" hint="req_…" value={filter.request} set={(v) => set('request', v)} />
            <Select
              label="Status"
              placeholder="all"
              data={statuses}
              value={filter.status || null}
              onChange={(v) => set('status', v)}
              clearable
            />
            <Select
              label="What happened"
              placeholder="anything"
              data={flags}
              value={filter.flag || null}
              onChange={(v) => set('flag', v)}
              clearable
            />
            <Select label="Time" placeholder="any" data={times} value={filter.hours || null} onChange={(v) => set('hours', v)} clearable />
            <Group align="flex-end">
              <Button variant="default" disabled={chosen === 0} onClick={() => setParams({})}>
                Show all calls
              </Button>
            </Group>
          </SimpleGrid>
        </Paper>
      </Collapse>
      <Group gap="xs" h={22} role="status">
        <Text size="sm" c="dimmed">
          {history.isPending
            ? 'Reading the ledger…'
            : `${counted(rows.length, 'call')}${hasNextPage ? ' so far; scroll for more' : ''}${held ? ', held still' : read ? ', held still until you are at the top again' : ''}`}
        </Text>
        {isFetchingNextPage && <Loader size="xs" color="var(--corral-line)" />}
      </Group>
      <Paper withBorder radius="md" style={{ overflow: 'hidden' }}>
        {history.isPending ? (
          <Loading height={320} />
        ) : history.error && rows.length === 0 ? (
          <Failure error={history.error} retry={() => void history.refetch()} />
        ) : rows.length === 0 ? (
          wanted.trim() ? (
            <Empty title="No call has that in it">
              {hasNextPage
                ? 'Older calls are being looked through.'
                : 'All words must stand in the call: in its model, app, user, provider, id or error.'}
            </Empty>
          ) : chosen > 0 ? (
            <Empty title="No call is like that">The filters fit none. Names must be whole, as the call had them.</Empty>
          ) : (
            <Empty title="No calls yet">
              Point an app at <Code>{window.location.origin}</Code> in place of Ollama, OpenAI or Anthropic; its calls come up here as they
              end.
            </Empty>
          )
        ) : (
          <CallList rows={rows} more={hasNextPage} loadMore={loadMore} open={open} down={down} />
        )}
      </Paper>
      <CallDrawer id={id} close={() => set('call', null)} />
    </Stack>
  )
}

/** A filter that is typed. The ledger is asked when the typing rests. */
function Typed({ name, hint = 'all', value, set }: { name: string; hint?: string; value: string; set: (value: string) => void }) {
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
      placeholder={hint}
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value)
        tell(e.currentTarget.value.trim())
      }}
    />
  )
}
