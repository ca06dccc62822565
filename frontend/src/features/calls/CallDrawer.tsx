import { Button, CopyButton, Drawer, Group, Stack, Text, Title } from '@mantine/core'
import { IconCheck, IconTerminal2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { Schema } from '../../api/client'
import { journeyQuery } from '../../api/journey'
import { duration, tokens, unknown } from '../../components/format'
import { KeyName } from '../../components/KeyName'
import { Money } from '../../components/Money'
import { routeWords } from '../../components/route'
import { Answered } from '../../components/States'
import { Timeline } from '../../components/Timeline'
import { When } from '../../components/When'
import { useKeyNames } from '../../hooks/useKeyNames'
import classes from './Calls.module.css'
import { content, curl, pretty } from './curl'
import { entryQuery } from './queries'
import { Replay } from './Replay'

/** One call whole, beside the list. */
export function CallDrawer({ id, close }: { id: string; close: () => void }) {
  return (
    <Drawer
      opened={id !== ''}
      onClose={close}
      position="right"
      size="lg"
      title={<Text fw={650}>Call</Text>}
      closeButtonProps={{ 'aria-label': 'Close the call' }}
    >
      {id && <Call id={id} />}
    </Drawer>
  )
}

function Call({ id }: { id: string }) {
  const entry = useQuery(entryQuery(id))
  return (
    <Answered query={entry} height={400}>
      {(e) => <Entry entry={e} />}
    </Answered>
  )
}

const ms = (ns: number | undefined) => (ns === undefined ? unknown : duration(ns / 1e6))

/** How the call went, where that is still known. */
function Way({ id }: { id: string }) {
  const journey = useQuery(journeyQuery(id))
  return (
    <section aria-label="How it went">
      <Title order={2} size="h5" mb={4}>
        How it went
      </Title>
      <Answered query={journey} height={160}>
        {(j) => <Timeline journey={j} />}
      </Answered>
    </section>
  )
}

const actions: Record<string, string> = { flag: 'noted', redact: 'hidden', block: 'refused' }

/** What the guard saw, in words. */
export function findingWords(f: { kind?: string; action?: string; count?: number }): string {
  return `${f.kind ?? 'something'}${(f.count ?? 1) > 1 ? ` (${f.count} times)` : ''}: ${actions[f.action ?? ''] ?? f.action ?? 'noted'}`
}

function Entry({ entry: e }: { entry: Schema<'RecordEntry'> }) {
  const keys = useKeyNames()
  const command = curl(e, window.location.origin)
  const facts: [string, ReactNode][] = [
    ['Request', e.request_id],
    ['Began', <When key="at" at={e.time} />],
    ['Status', `${e.status ?? unknown}${e.error_code ? `, ${e.error_code}` : ''}`],
    ['Asked for', e.model_asked],
    ['Answered by', e.model_answered && `${e.provider}/${e.model_answered}`],
    ['Why there', e.route && `${routeWords(e.route)} (${e.route})`],
    ['API', [e.dialect, e.operation].filter(Boolean).join(', ')],
    ['Took', ms(e.duration_ns)],
    ['First content after', ms(e.first_token_ns)],
    ['Waited for a place', e.queued_ns ? ms(e.queued_ns) : undefined],
    ['Attempts', e.attempts],
    ['Tokens in, out', `${tokens(e.tokens.input)}, ${tokens(e.tokens.output)}`],
    ['Cost', <Money key="cost" nano={e.cost_nano_usd} />],
    ['In the cloud', <Money key="baseline" nano={e.baseline_nano_usd} />],
    ['App', e.app],
    ['User', e.user],
    ['Key', e.caller && <KeyName key="caller" id={e.caller} keys={keys} />],
    ['From', e.peer],
    ['Left this device for', e.left],
    ['Noted', (e.flags ?? []).join(', ')],
    ['The guard found', (e.findings ?? []).map(findingWords).join('; ')],
    ['Erased', e.erased],
    ['Trace', e.trace_id],
    ['Entry of the ledger', `#${e.seq}`],
  ]
  return (
    <Stack>
      {command && (
        <CopyButton value={command}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              onClick={copy}
              style={{ alignSelf: 'flex-start' }}
              leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconTerminal2 size={16} aria-hidden />}
            >
              {copied ? 'Copied' : 'Copy as curl'}
            </Button>
          )}
        </CopyButton>
      )}
      <dl className={classes.facts}>
        {facts
          .filter(([, value]) => value !== undefined && value !== '')
          .map(([name, value]) => (
            <Fact key={name} name={name} value={value} />
          ))}
      </dl>
      {e.request_id && <Way id={e.request_id} />}
      <Replay entry={e} />
      <Kept title="Question" text={e.prompt} />
      <Kept title="Answer" text={e.answer} />
    </Stack>
  )
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  )
}

function Kept({ title, text }: { title: string; text: unknown }) {
  const kept = content(text)
  return (
    <section aria-label={title}>
      <Group justify="space-between" mb={4}>
        <Title order={2} size="h5">
          {title}
        </Title>
      </Group>
      {kept ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard
        <pre className={classes.pre} tabIndex={0}>
          {pretty(kept)}
        </pre>
      ) : (
        <Text size="sm" c="dimmed">
          Its text was not kept. With <code>{'audit: { content: encrypted }'}</code> in corral.yaml that of later calls is.
        </Text>
      )}
    </section>
  )
}
