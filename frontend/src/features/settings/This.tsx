import { Button, Group, List, SegmentedControl, Stack, Text, useMantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { logOut, sessionQuery } from '../../api/session'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command } from '../../components/States'
import { When } from '../../components/When'
import { AtLogin } from './AtLogin'
import { Origin } from './Origin'
import { statusQuery } from './queries'
import classes from './Settings.module.css'

/** Colours, this browser’s session, and what this Corral is. */
export function This() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const status = useQuery(statusQuery)
  const session = useQuery(sessionQuery)
  const queries = useQueryClient()
  return (
    <Stack>
      <Section title="Colours">
        <SegmentedControl
          aria-label="Colours"
          value={colorScheme}
          onChange={(v) => setColorScheme(v as 'auto' | 'light' | 'dark')}
          data={[
            { value: 'auto', label: 'As the system' },
            { value: 'light', label: 'Light' },
            { value: 'dark', label: 'Dark' },
          ]}
        />
      </Section>
      <Section title="Browsers that are logged in">
        <Stack gap="sm" align="flex-start">
          {session.data?.expires && (
            <Text size="sm">
              This browser is logged in until <When at={session.data.expires} /> at the latest.
            </Text>
          )}
          <Button
            variant="default"
            onClick={() => void logOut().finally(() => queries.invalidateQueries({ queryKey: sessionQuery.queryKey }))}
          >
            Log this browser out
          </Button>
          <Text size="sm" c="dimmed">
            To log all browsers out, ask in a terminal on Corral’s machine: it is not for a browser, for whoever has stolen a session could
            lock you out with it.
          </Text>
          <Command text="corral ui --logout-all" />
        </Stack>
      </Section>
      <AtLogin />
      <Section title="About">
        <Answered query={status} height={220}>
          {(s) => (
            <Stack>
              <dl className={classes.facts}>
                <dt>Version</dt>
                <dd>{s.version}</dd>
                <dt>Running since</dt>
                <dd>
                  <When at={s.started} />, process {s.pid}
                </dd>
                <dt>Listens on</dt>
                <dd>{s.listen}</dd>
                <dt>Config</dt>
                <dd>
                  {s.config.path || 'none'}, read <When at={s.config.loaded} />
                </dd>
                <dt>Data folder</dt>
                <dd>{s.data_dir}</dd>
              </dl>
              {s.config.rejected && <Severity level="warning" word={`A later change is not in force: ${s.config.rejected}`} />}
              {(s.config.needs_restart?.length ?? 0) > 0 && (
                <Group gap="xs">
                  <Severity level="notice" word="These wait for the next start:" />
                  <List size="sm">
                    {s.config.needs_restart?.map((x) => (
                      <List.Item key={x}>{x}</List.Item>
                    ))}
                  </List>
                </Group>
              )}
            </Stack>
          )}
        </Answered>
      </Section>
      <Origin />
    </Stack>
  )
}
