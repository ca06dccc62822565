import { Alert, SimpleGrid, Stack, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import type { Schema } from '../../api/client'
import { bytes, count } from '../../components/format'
import { Stat } from '../../components/Stat'
import { Answered } from '../../components/States'
import { When } from '../../components/When'
import { Entries } from './Entries'
import { EntryDrawer } from './EntryDrawer'
import { type Filter, readFilter } from './filter'
import { KeysAndAnchors, Removing } from './Keeping'
import { ledgerQuery, type Who } from './queries'
import { Verify } from './Verify'
import { anchoring } from './words'

/** What the ledger holds, the proof that it is whole, and the removal of what a person wants removed. */
export function Page() {
  const ledger = useQuery(ledgerQuery)
  const [params, setParams] = useSearchParams()
  const filter = useMemo(() => readFilter(params), [params])
  const [who, ask] = useState<Who>()
  const entry = params.get('entry')
  const seq = entry && /^\d{1,15}$/.test(entry) ? Number(entry) : undefined

  const set = useCallback(
    (name: keyof Filter | 'entry', value: string | null) =>
      setParams(
        (now) => {
          const next = new URLSearchParams(now)
          if (value) next.set(name, value)
          else next.delete(name)
          return next
        },
        { replace: name !== 'entry' },
      ),
    [setParams],
  )

  return (
    <Stack>
      <Title order={1} size="h2">
        Audit
      </Title>
      <Answered query={ledger} height={600}>
        {(s) => <Figures ledger={s} />}
      </Answered>
      {/* How high what is above becomes is not known before: until then nothing stands below it that would jump. */}
      {ledger.isFetched && (
        <>
          <Verify />
          <Entries filter={filter} set={set} clear={() => setParams({})} open={(n) => set('entry', String(n))} />
          <KeysAndAnchors />
          <Removing who={who} ask={ask} />
        </>
      )}
      <EntryDrawer
        seq={seq}
        close={() => set('entry', null)}
        erase={(request) => {
          set('entry', null)
          ask({ request })
        }}
      />
    </Stack>
  )
}

function Figures({ ledger: s }: { ledger: Schema<'LedgerStatus'> }) {
  const anchored = anchoring(s)
  return (
    <>
      {s.failing && (
        <Alert color="red" variant="outline" title="Entries cannot be written" role="alert">
          {s.failing}
          {s.failing_since && (
            <>
              , since <When at={s.failing_since} />
            </>
          )}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
        <Stat label="Entries kept" value={count(s.entries)} note={s.next > 0 ? `the newest is #${s.next - 1}` : 'none yet'} />
        <Stat label="Anchored in a second place" value={anchored.value} note={anchored.note} title={anchored.why || undefined} />
        <Stat label="Texts" value={bytes(s.content_bytes)} note={`sealed; entries ${bytes(s.entry_bytes)}, file ${bytes(s.file_bytes)}`} />
        <Stat
          label="Unrecorded calls"
          value={count(s.missed ?? 0)}
          note={s.waiting > 0 ? `${count(s.waiting)} ${s.waiting === 1 ? 'waits' : 'wait'} to be written` : 'nothing waits to be written'}
        />
      </SimpleGrid>
    </>
  )
}
