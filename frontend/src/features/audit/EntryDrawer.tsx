import { Button, Code, Drawer, Group, Stack, Text, Title } from '@mantine/core'
import { IconCertificate, IconEraser } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Schema } from '../../api/client'
import { duration, tokens, unknown } from '../../components/format'
import { KeyName } from '../../components/KeyName'
import { Money } from '../../components/Money'
import { Answered, Command } from '../../components/States'
import { When } from '../../components/When'
import { useKeyNames } from '../../hooks/useKeyNames'
import classes from './Audit.module.css'
import { proofAddress } from './filter'
import { entryQuery, ledgerQuery } from './queries'
import { flagWord, kind } from './words'

/** One entry whole, beside the list, with its proof. */
export function EntryDrawer({ seq, close, erase }: { seq: number | undefined; close: () => void; erase: (request: string) => void }) {
  return (
    <Drawer
      opened={seq !== undefined}
      onClose={close}
      position="right"
      size="lg"
      title={<Text fw={650}>{seq === undefined ? 'Entry' : `Entry #${seq}`}</Text>}
      closeButtonProps={{ 'aria-label': 'Close the entry' }}
    >
      {seq !== undefined && <Entry seq={seq} erase={erase} />}
    </Drawer>
  )
}

function Entry({ seq, erase }: { seq: number; erase: (request: string) => void }) {
  const entry = useQuery(entryQuery(seq))
  const keys = useKeyNames()
  return (
    <Answered query={entry} height={400}>
      {(e) => (
        <Stack>
          <dl className={classes.facts}>
            {facts(e, keys)
              .filter(([, value]) => value !== undefined && value !== '')
              .map(([name, value]) => (
                <Fact key={name} name={name} value={value} />
              ))}
          </dl>
          {e.kind === 'call' && (
            <>
              <Kept title="Question" text={e.prompt} erased={!!e.erased} />
              <Kept title="Answer" text={e.answer} erased={!!e.erased} />
            </>
          )}
          <Proof entry={e} />
          {e.kind === 'call' && e.request_id && !e.erased && (
            <section aria-label="Erase">
              <Title order={2} size="h5" mb={4}>
                Erase
              </Title>
              <Text size="sm" c="dimmed" mb="xs">
                Makes what this entry says unreadable for ever. Its number, hash and sums stay.
              </Text>
              <Button variant="default" leftSection={<IconEraser size={16} aria-hidden />} onClick={() => erase(e.request_id ?? '')}>
                Erase this call…
              </Button>
            </section>
          )}
        </Stack>
      )}
    </Answered>
  )
}

const ms = (ns: number | undefined) => (ns === undefined ? undefined : duration(ns / 1e6))

function facts(e: Schema<'RecordEntry'>, keys: ReadonlyMap<string, string>): [string, ReactNode][] {
  const head: [string, ReactNode][] = [
    ['What', kind(e.kind)],
    ['Time', <When key="at" at={e.time} />],
  ]
  if (e.kind !== 'call') return [...head, ['Note', e.note && <Code key="note">{e.note}</Code>]]
  return [
    ...head,
    [
      'Request',
      e.request_id && (
        <Link key="request" to={`/calls?call=${encodeURIComponent(e.request_id)}`}>
          {e.request_id}
        </Link>
      ),
    ],
    ['Status', `${e.status ?? unknown}${e.error_code ? `, ${e.error_code}` : ''}`],
    ['Asked for', e.model_asked],
    ['Answered by', e.model_answered && `${e.provider}/${e.model_answered}`],
    ['Digest of the model', e.model_digest],
    ['Why there', e.route],
    ['API', [e.dialect, e.operation].filter(Boolean).join(', ')],
    ['Took', ms(e.duration_ns)],
    ['First content after', ms(e.first_token_ns)],
    ['Waited for a place', e.queued_ns ? ms(e.queued_ns) : undefined],
    ['Attempts', e.attempts],
    ['Tokens in, out', `${tokens(e.tokens.input)}, ${tokens(e.tokens.output)}`],
    ['Cost', <Money key="cost" nano={e.cost_nano_usd} />],
    ['App', e.app],
    ['User', e.user],
    ['Key', e.caller && <KeyName key="caller" id={e.caller} keys={keys} />],
    ['From', e.peer],
    ['Left this device for', e.left],
    ['Noted', (e.flags ?? []).map(flagWord).join(', ')],
    ['Found', (e.findings ?? []).map((f) => Object.values(f).join(' ')).join('; ')],
    ['Erased', e.erased],
    ['Note', e.note],
    ['Trace', e.trace_id],
    ['Release', e.release],
  ]
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  )
}

/** A text, or the seal that stands in its place. */
function Kept({ title, text, erased }: { title: string; text: unknown; erased: boolean }) {
  const kept = typeof text === 'object' && text !== null ? (text as { content?: unknown; sha256?: unknown }) : {}
  return (
    <section aria-label={title}>
      <Title order={2} size="h5" mb={4}>
        {title}
      </Title>
      {typeof kept.content === 'string' && kept.content ? (
        <Code block tabIndex={0} className={classes.text}>
          {kept.content}
        </Code>
      ) : (
        <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {erased ? 'Its key was destroyed: nobody can read it any more.' : 'Its text was not kept.'}
          {typeof kept.sha256 === 'string' && !erased && ` Its commitment (salted SHA-256): ${kept.sha256}`}
        </Text>
      )}
    </section>
  )
}

function Proof({ entry: e }: { entry: Schema<'RecordEntry'> }) {
  const ledger = useQuery(ledgerQuery)
  return (
    <section aria-label="Proof">
      <Title order={2} size="h5" mb={4}>
        Proof
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        A file that shows anybody that this entry is in the ledger, without the ledger. What the entry says stays sealed, unless the file is
        to show it.
      </Text>
      <Group gap="xs" mb="xs">
        <Button
          component="a"
          variant="default"
          href={proofAddress(e.seq, false)}
          download={`corral-proof-${e.seq}.json`}
          leftSection={<IconCertificate size={16} aria-hidden />}
        >
          Download the proof
        </Button>
        {!e.erased && (
          <Button component="a" variant="default" href={proofAddress(e.seq, true)} download={`corral-proof-${e.seq}-open.json`}>
            With what it says
          </Button>
        )}
      </Group>
      {ledger.data && (
        <>
          <Text size="sm" c="dimmed" mb={4}>
            Who has it checks it with
          </Text>
          <Command text={`corral audit verify --proof corral-proof-${e.seq}.json --key '${ledger.data.public_key}'`} />
        </>
      )}
    </section>
  )
}
