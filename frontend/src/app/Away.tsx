import { Alert, Button, Code, Stack, Text } from '@mantine/core'
import { IconPlugConnectedX } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { desktop } from '../api/desktop'
import { Command } from '../components/States'
import { useFeedState } from '../hooks/useFeedState'

/** Milliseconds that the connection may be away before it is worth a word: a restart takes less. */
const patience = 3_000

/** Says above every page that Corral does not answer, and what to do; what is shown below is from before. */
export function Away() {
  const state = useFeedState()
  const [long, setLong] = useState(false)
  useEffect(() => {
    setLong(false)
    if (state !== 'away') return
    const timer = setTimeout(() => setLong(true), patience)
    return () => clearTimeout(timer)
  }, [state])
  if (!long) return null
  return (
    <Alert color="red" variant="outline" icon={<IconPlugConnectedX aria-hidden />} title="Corral does not answer" mb="md" role="alert">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          What you see is from before. This page goes on by itself as soon as Corral is back; if it was started anew, log in again with the
          link of <Code>corral ui</Code>.
        </Text>
        {desktop.there ? (
          <Button size="xs" onClick={() => desktop.tell('start')}>
            Start Corral
          </Button>
        ) : (
          <Command text="corral serve" />
        )}
      </Stack>
    </Alert>
  )
}
