import { Button, Group, Progress, SimpleGrid, Stack, Text } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { Schema } from '../../api/client'
import { bytes } from '../../components/format'
import { PullWords } from '../../components/PullWords'
import { isOver, share } from '../../components/pulls'
import { Failure } from '../../components/States'
import { small } from './ollama'
import { cancelling, pulling } from './queries'

type Props = {
  /** Where to. */
  provider: string
  pulls: readonly Schema<'LibraryPull'>[]
  have: readonly string[]
  /** Told the name of a model that was pulled here, until it takes it. */
  pulled: (model: string) => boolean
  open: boolean
}

/** Brings a small model onto this machine. Corral does the work: it goes on when the page is left, and is shown when one comes back. */
export function Pulling({ provider, pulls, have, pulled, open }: Props) {
  const queries = useQueryClient()
  const pull = useMutation(pulling(queries))
  const cancel = useMutation(cancelling(queries))
  const [shown, setShown] = useState(open)
  const begun = pulls.find((p) => p.id === pull.data?.id) ?? pull.data
  const running = begun && !isOver(begun) ? begun : pulls.find((p) => !isOver(p))
  const came = begun?.state === 'done' ? begun.model : ''
  const taken = useRef('') // what a person chooses afterwards stays
  useEffect(() => {
    if (came && taken.current !== came && pulled(came)) taken.current = came
  }, [came, pulled])
  const error = pull.error ?? cancel.error ?? (begun?.state === 'failed' ? new Error(begun.why ?? 'The pull failed.') : undefined)

  if (running)
    return (
      <Stack gap={6}>
        <Text size="sm">{running.model}</Text>
        <PullWords pull={running} />
        <Progress value={share(running)} aria-label={`How much of ${running.model} is there`} striped animated={!running.total} />
        <Group>
          <Button size="xs" variant="default" loading={cancel.isPending} onClick={() => cancel.mutate(running.id)}>
            Cancel the pull
          </Button>
        </Group>
      </Stack>
    )
  if (!shown && !error)
    return (
      <Group>
        <Button variant="subtle" size="compact-sm" onClick={() => setShown(true)}>
          Pull another one
        </Button>
      </Group>
    )
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
        {small
          .filter((m) => !have.includes(m.name))
          .map((m) => (
            <Button
              key={m.name}
              variant="default"
              h="auto"
              py="xs"
              justify="flex-start"
              disabled={pull.isPending}
              onClick={() => pull.mutate({ model: m.name, provider })}
              styles={{ label: { whiteSpace: 'normal', textAlign: 'left' } }}
            >
              <span>
                Pull {m.name} ({bytes(m.size)})
                <Text size="xs" c="dimmed" fw={400} component="span" display="block">
                  {m.about}
                </Text>
              </span>
            </Button>
          ))}
      </SimpleGrid>
      {error && (
        <Failure
          title="It was not pulled"
          error={error}
          retry={pull.variables ? () => pull.variables && pull.mutate(pull.variables) : undefined}
        />
      )}
    </Stack>
  )
}
