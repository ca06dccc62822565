import { Button, Stack, Text, Title } from '@mantine/core'
import { Link, useRouteError } from 'react-router'

/** In place of a page that failed. */
export function Broken() {
  const error = useRouteError()
  return (
    <Stack align="flex-start" p="md" role="alert">
      <Title order={1} size="h2">
        This page failed
      </Title>
      <Text>{error instanceof Error ? error.message : String(error)}</Text>
      <Text c="dimmed" size="sm">
        Corral itself goes on. If it was updated a moment ago, load the page anew.
      </Text>
      <Button onClick={() => window.location.reload()}>Load anew</Button>
    </Stack>
  )
}

/** For an address that has no page. */
export function NotFound() {
  return (
    <Stack align="flex-start">
      <Title order={1} size="h2">
        There is no such page
      </Title>
      <Button component={Link} to="/">
        To the overview
      </Button>
    </Stack>
  )
}
