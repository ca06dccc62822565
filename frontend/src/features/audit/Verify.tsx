import { Button, Code, Group, Progress, Stack, Text } from '@mantine/core'
import { IconShieldCheck, IconX } from '@tabler/icons-react'
import { useSyncExternalStore } from 'react'
import { count, percent } from '../../components/format'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Failure } from '../../components/States'
import { When } from '../../components/When'
import classes from './Audit.module.css'
import { verifying } from './verifying'
import { entries, findings, outcome } from './words'

/** The check of the whole ledger: how far it is, and what it found. */
export function Verify() {
  const check = useSyncExternalStore(verifying.watch, verifying.current)
  const running = check.state === 'running'
  return (
    <Section
      title="Is it whole?"
      right={
        running ? (
          <Button variant="default" leftSection={<IconX size={16} aria-hidden />} onClick={verifying.cancel}>
            Cancel
          </Button>
        ) : (
          <Button leftSection={<IconShieldCheck size={16} aria-hidden />} onClick={() => void verifying.start()}>
            {check.state === 'never' ? 'Verify' : 'Verify again'}
          </Button>
        )
      }
    >
      <Stack gap="sm" mih={66}>
        {check.state === 'never' && (
          <Text size="sm" c="dimmed">
            Every entry is compared with the tree of hashes, the tree with every signed head, and those with the copies in a second place.
            Calls go on meanwhile. What a hook or a syslog holds cannot be read from here: <Code>corral audit verify --heads FILE</Code>{' '}
            checks against that too.
          </Text>
        )}
        {running && (
          <>
            <Text size="sm" role="status">
              {check.total > 0 ? `${count(check.done)} of ${entries(check.total)}, ${percent(check.done / check.total)}` : 'It begins…'}
            </Text>
            <Progress
              value={check.total > 0 ? (check.done / check.total) * 100 : 100}
              animated={check.total === 0}
              color="cyan"
              aria-label="How much is verified"
            />
          </>
        )}
        {check.state === 'cancelled' && (
          <Text size="sm" role="status">
            Cancelled after {entries(check.done)}. That says nothing about the ledger.
          </Text>
        )}
        {check.state === 'failed' && check.error && <Failure error={check.error} title="It could not be verified" />}
        {check.state === 'done' && check.result && (
          <>
            <Group gap="xs" role="status" align="flex-start">
              <Severity {...worded(check.result)} />
            </Group>
            <ul className={classes.found}>
              {findings(check.result).map((f) => (
                <li key={f.title + f.text} data-level={f.level}>
                  <Text size="sm" fw={600}>
                    {f.title}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {f.text}
                  </Text>
                </li>
              ))}
            </ul>
            <Text size="xs" c="dimmed">
              {check.at && <When at={check.at} />}; {count(check.result.heads)} signed heads checked.
            </Text>
          </>
        )}
      </Stack>
    </Section>
  )
}

function worded(result: Parameters<typeof outcome>[0]) {
  const { level, sentence } = outcome(result)
  return { level, word: sentence }
}
