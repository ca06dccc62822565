import { Alert, Button, Checkbox, Group, Modal, NativeSelect, Progress, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { PullWords } from '../../components/PullWords'
import { isOver, share, words } from '../../components/pulls'
import { Failure } from '../../components/States'
import classes from './Models.module.css'
import { isPlain, suggestions } from './pulls'
import { cancelling, type Pull, pulling, type Server } from './queries'

/** A pull: how far it is, and what can be done about it. */
export function PullRow({ pull: p }: { pull: Pull }) {
  const queries = useQueryClient()
  const cancel = useMutation(cancelling(queries))
  const again = useMutation(pulling(queries))
  return (
    <li aria-label={`Pull of ${p.model}`}>
      <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Text fw={600} className={classes.name}>
            {p.model}
          </Text>
          <Text size="sm" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>
            {words(p)}
          </Text>
        </div>
        <Group gap="xs" wrap="nowrap">
          {(p.state === 'failed' || p.state === 'cancelled') && (
            <Button
              size="xs"
              variant="default"
              onClick={() => again.mutate({ model: p.model, provider: p.provider, insecure: isPlain(p.model) || undefined })}
              aria-label={`Pull ${p.model} again`}
            >
              Again
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            loading={cancel.isPending}
            onClick={() => cancel.mutate(p.id)}
            aria-label={`${isOver(p) ? 'Dismiss' : 'Cancel'} the pull of ${p.model}`}
          >
            {isOver(p) ? 'Dismiss' : 'Cancel'}
          </Button>
        </Group>
      </Group>
      {!isOver(p) && <Bar pull={p} />}
      {p.why && (
        <Text size="sm" c="error" mt={4} className={classes.name}>
          {p.why}
        </Text>
      )}
      {(cancel.error ?? again.error) && (
        <Text size="sm" c="error" role="alert">
          {(cancel.error ?? again.error)?.message}
        </Text>
      )}
    </li>
  )
}

function Bar({ pull: p }: { pull: Pull }) {
  return (
    <Progress.Root mt={6} size={8}>
      <Progress.Section value={share(p)} aria-label={`How much of ${p.model} is there`} color="var(--corral-line)" />
    </Progress.Root>
  )
}

/** Asks which model, and shows how far its pull is. Closed, the pull goes on. */
export function PullDialog({ close, servers, pulls }: { close: () => void; servers: readonly Server[]; pulls: readonly Pull[] }) {
  const queries = useQueryClient()
  const pull = useMutation(pulling(queries))
  const cancel = useMutation(cancelling(queries))
  const [model, setModel] = useState('')
  const [provider, setProvider] = useState(servers[0]?.name ?? '')
  const [trusted, setTrusted] = useState(false)
  const plain = isPlain(model)
  const started = pulls.find((p) => p.id === pull.data?.id) ?? pull.data
  const start = (name: string) => pull.mutate({ model: name.trim(), provider, insecure: (plain && trusted) || undefined })

  return (
    <Modal opened onClose={close} title={<Text fw={650}>Pull a model</Text>} closeButtonProps={{ 'aria-label': 'Close' }}>
      {started ? (
        <Stack>
          <div>
            <Text fw={600} className={classes.name}>
              {started.model}
            </Text>
            <PullWords pull={started} />
          </div>
          {!isOver(started) && <Bar pull={started} />}
          {started.why && (
            <Alert color="red" variant="outline" title="It failed" role="alert">
              {started.why}
            </Alert>
          )}
          {!isOver(started) && (
            <Text size="xs" c="dimmed">
              Corral does the work: it goes on when this is closed.
            </Text>
          )}
          {cancel.error && <Failure error={cancel.error} />}
          <Group justify="flex-end">
            {isOver(started) ? (
              <Button variant="default" onClick={() => pull.reset()}>
                Another one
              </Button>
            ) : (
              <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate(started.id)}>
                Cancel the pull
              </Button>
            )}
            <Button onClick={close}>Close</Button>
          </Group>
        </Stack>
      ) : (
        <form
          onSubmit={(e) => {
            e.preventDefault()
            if (model.trim()) start(model)
          }}
        >
          <Stack>
            <TextInput
              label="Name"
              description="As in Ollama's library, such as llama3.2:1b, or hf.co/owner/model"
              value={model}
              onChange={(e) => setModel(e.currentTarget.value)}
              data-autofocus
              autoComplete="off"
              spellCheck={false}
              maxLength={500}
            />
            {servers.length > 1 && (
              <NativeSelect
                label="Where to"
                data={servers.map((s) => s.name)}
                value={provider}
                onChange={(e) => setProvider(e.currentTarget.value)}
              />
            )}
            {plain && (
              <Checkbox
                label="Allow a registry without encryption"
                description="Whoever is on the way could change what comes"
                checked={trusted}
                onChange={(e) => setTrusted(e.currentTarget.checked)}
              />
            )}
            <Stack gap={6} align="flex-start">
              <Text size="sm" fw={500}>
                Or a small one to begin with
              </Text>
              {suggestions.map((s) => (
                <Button key={s.model} size="xs" variant="default" onClick={() => start(s.model)} disabled={pull.isPending}>
                  {s.model}, {s.size}: {s.about}
                </Button>
              ))}
            </Stack>
            {pull.error && <Failure error={pull.error} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Not now
              </Button>
              <Button type="submit" loading={pull.isPending} disabled={!model.trim()}>
                Pull it
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  )
}
