import { Button, Group, Stack, Text, Title } from '@mantine/core'
import { IconMessageChatbot, IconPlayerStop, IconRefresh } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { Link } from 'react-router'
import { type Schema, send } from '../../api/client'
import { cacheWords, routeWords } from '../../components/route'
import classes from './Calls.module.css'
import { content } from './curl'
import { longestShown, replayOf } from './replay'

type Told = { status: number; target: string; route: string; cache: string; text: string; going: boolean; cut: boolean }

/** Asks a call again, byte for byte, or opens it in the playground. Where that cannot be, it says why. */
export function Replay({ entry: e }: { entry: Schema<'RecordEntry'> }) {
  const [told, setTold] = useState<Told>()
  const [problem, setProblem] = useState('')
  const abort = useRef<AbortController>(undefined)
  useEffect(() => () => abort.current?.abort(), [])
  const replay = replayOf(e)
  const body = content(e.prompt)

  const again = async () => {
    if (!replay.path || !body) return
    abort.current?.abort()
    const mine = new AbortController()
    abort.current = mine
    setProblem('')
    setTold(undefined)
    try {
      const answer = await send(`/control/v1/try${replay.path}`, {
        headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' },
        body,
        signal: mine.signal,
      })
      const h = answer.headers
      let now: Told = {
        status: answer.status,
        target: [h.get('Corral-Provider'), h.get('Corral-Model')].filter(Boolean).join('/'),
        route: h.get('Corral-Route') ?? '',
        cache: h.get('Cache-Status') ?? '',
        text: '',
        going: true,
        cut: false,
      }
      setTold(now)
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      for (let last = 0; reader; ) {
        const { done, value } = await reader.read()
        if (value)
          now = { ...now, text: (now.text + value).slice(0, longestShown), cut: now.cut || now.text.length + value.length > longestShown }
        if (done) break
        if (performance.now() - last > 100) {
          last = performance.now()
          setTold(now)
        }
      }
      setTold({ ...now, going: false })
    } catch (error) {
      setTold((t) => t && { ...t, going: false })
      if (!mine.signal.aborted) setProblem(error instanceof Error ? error.message : String(error))
    }
  }

  return (
    <section aria-label="Ask again">
      <Stack gap="xs">
        <Title order={2} size="h5">
          Ask again
        </Title>
        {replay.why ? (
          <Text size="sm" c="dimmed">
            {replay.why}
          </Text>
        ) : (
          <Group gap="xs">
            {told?.going ? (
              <Button variant="default" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={() => abort.current?.abort()}>
                Stop
              </Button>
            ) : (
              <Button variant="default" leftSection={<IconRefresh size={16} aria-hidden />} onClick={() => void again()}>
                Ask the same again
              </Button>
            )}
            {replay.chats && (
              <Button
                variant="default"
                leftSection={<IconMessageChatbot size={16} aria-hidden />}
                component={Link}
                to="/playground"
                state={{ operation: e.operation, body }}
              >
                Open in the playground
              </Button>
            )}
          </Group>
        )}
        {problem && (
          <Text size="sm" c="var(--mantine-color-error)" role="alert">
            {problem}
          </Text>
        )}
        {told && (
          <>
            <Text size="sm" role="status">
              {told.going ? 'It is being answered' : `Status ${told.status}`}
              {told.target && `, by ${told.target}`}. {routeWords(told.route)}{' '}
              {cacheWords(told.cache) && `Cache: ${cacheWords(told.cache)}.`}
            </Text>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard */}
            <pre className={classes.pre} tabIndex={0}>
              {told.text}
            </pre>
            {told.cut && (
              <Text size="sm" c="dimmed">
                The rest of it is not shown.
              </Text>
            )}
          </>
        )}
      </Stack>
    </section>
  )
}
