import { Stack, Switch, Text } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId } from 'react'
import { Section } from '../../components/Section'
import { Answered, Failure } from '../../components/States'
import { autostartQuery, settingAutostart } from './queries'

/** Whether Corral starts when its user logs in. */
export function AtLogin() {
  const autostart = useQuery(autostartQuery)
  const id = useId()
  const set = useMutation(settingAutostart(useQueryClient()))
  return (
    <Section title="Start at login">
      <Answered query={autostart} height={48}>
        {(a) => (
          <Stack gap="sm">
            <Switch
              label="Start Corral when you log in"
              aria-describedby={id}
              checked={a.enabled}
              disabled={!!a.problem || set.isPending}
              onChange={(e) => set.mutate(e.currentTarget.checked)}
            />
            <Text size="sm" c="dimmed" id={id}>
              {a.problem
                ? `Not possible here: ${a.problem}`
                : 'This program, with this config and data folder, without a window. On a server, have systemd start it instead.'}
            </Text>
            {set.isError && <Failure title="This was not changed" error={set.error} />}
            {a.enabled && (
              <Text size="sm" c="dimmed">
                It takes effect at the next login.
              </Text>
            )}
          </Stack>
        )}
      </Answered>
    </Section>
  )
}
