import { Button, Center, Paper, Stack, Text, Title } from '@mantine/core'
import { desktop } from '../api/desktop'
import { Command } from '../components/States'

/** What to do when this browser is not logged in, or Corral does not answer. */
export function SignedOut({ error, retry, busy }: { error: Error | null; retry: () => void; busy: boolean }) {
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder radius="md" p="xl" maw={520} w="100%">
        <Stack align="flex-start">
          <Title order={1} size="h2">
            {error ? 'Corral does not answer' : 'Log in to Corral'}
          </Title>
          {error ? (
            <>
              <Text>{error.message}</Text>
              <Text>Start it in a terminal on its machine, or look what is wrong:</Text>
              <Command text="corral serve" />
              <Command text="corral doctor" />
              {desktop.there && <Button onClick={() => desktop.tell('start')}>Start Corral</Button>}
            </>
          ) : (
            <>
              <Text>Only who can run commands on the machine of Corral may see this page. In a terminal there:</Text>
              <Command text="corral ui" />
              <Text size="sm" c="dimmed">
                It opens this page, logged in, by a link that works once. Apps need none of this: they use the models as they did before.
              </Text>
            </>
          )}
          <Button variant="default" onClick={retry} loading={busy}>
            Look again
          </Button>
        </Stack>
      </Paper>
    </Center>
  )
}
