import { Badge, Button, CopyButton, Group, Loader, Paper, Text } from '@mantine/core'
import { IconCheck, IconCopy, IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Link } from 'react-router'
import { journeyQuery } from '../../api/journey'
import { duration, tokens } from '../../components/format'
import { CodeBlock, Markdown } from '../../components/Markdown'
import { Money } from '../../components/Money'
import { cacheWords, routeWords } from '../../components/route'
import { Answered } from '../../components/States'
import { Timeline } from '../../components/Timeline'
import { type Answer, choiceOf } from './conversation'
import classes from './Playground.module.css'

/** One answer, and beneath it who gave it, why, and how it came about. */
export function AnswerCard({ answer: a, again }: { answer: Answer; again?: () => void }) {
  const asked = choiceOf(a.choice)
  return (
    <Paper
      withBorder
      radius="md"
      p="md"
      className={classes.answer}
      component="section"
      aria-label={`Answer of ${a.target || asked.target || asked.model}`}
    >
      <Group justify="space-between" gap="xs" mb="xs">
        <Text fw={600} size="sm" className={classes.target}>
          {a.target || asked.target || asked.model}
        </Text>
        {a.state === 'stopped' && <Badge variant="default">stopped</Badge>}
        {a.reason === 'length' && (
          <Badge variant="default" title="It has used up its tokens: raise the most that it may write.">
            cut off
          </Badge>
        )}
      </Group>
      {a.thinking && <Thinking text={a.thinking} going={a.state === 'writing' && !a.text} />}
      {a.text && <Markdown text={a.text} />}
      {a.tools.map((t, i) => (
        <div key={i}>
          <Text size="sm" fw={600} mb={4}>
            Wants to call {t.name}
          </Text>
          <CodeBlock text={t.arguments} language="json" />
        </div>
      ))}
      {a.state === 'waiting' && (
        <Group gap="xs">
          <Loader size="xs" color="var(--corral-line)" aria-hidden />
          <Text size="sm" c="dimmed">
            Waiting for the first word…
          </Text>
        </Group>
      )}
      {a.state === 'done' && !a.text && a.tools.length === 0 && (
        <Text size="sm" c="dimmed">
          The model said nothing.
        </Text>
      )}
      {a.problem && (
        <div role="alert" className={classes.problem}>
          <Text size="sm" fw={600}>
            {a.text ? 'The answer broke off' : 'No answer'}
          </Text>
          <Text size="sm">{a.problem.text}</Text>
          {a.problem.remedy && (
            <Text size="sm" c="dimmed">
              {a.problem.remedy}
            </Text>
          )}
        </div>
      )}
      {a.state !== 'waiting' && a.state !== 'writing' && <Details answer={a} again={again} />}
    </Paper>
  )
}

function Thinking({ text, going }: { text: string; going: boolean }) {
  return (
    <details className={classes.thinking}>
      <summary>{going ? 'Thinking…' : 'What it thought'}</summary>
      <div className={classes.thought}>{text}</div>
    </details>
  )
}

/** Tokens a second: by the model server's own clock where it tells that, else from the first content to the end. */
export function speed(a: Answer): number | undefined {
  const took = a.wrote ?? (a.ms !== undefined && a.firstMs !== undefined ? a.ms - a.firstMs : 0)
  return a.output && took > 0 ? (a.output / took) * 1000 : undefined
}

function Details({ answer: a, again }: { answer: Answer; again?: () => void }) {
  const [shown, setShown] = useState(false)
  const rate = speed(a)
  const facts: [string, ReactNode][] = [
    ['Why there', routeWords(a.route)],
    ['Tokens in, out', a.input === undefined && a.output === undefined ? '' : `${tokens(a.input)}, ${tokens(a.output)}`],
    ['Speed', rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s` : ''],
    ['First word after', a.firstMs === undefined ? '' : duration(a.firstMs)],
    ['In all', a.ms === undefined ? '' : duration(a.ms)],
    ['Cost', a.over ? <Money key="cost" nano={a.cost} /> : ''],
    ['Cache', cacheWords(a.cache)],
    ['Left out', a.warning?.replace(/^299 corral /, '') ?? ''],
  ]
  return (
    <div className={classes.details}>
      <dl className={classes.facts}>
        {facts
          .filter(([, v]) => v !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <Group gap="xs">
        {a.text && (
          <CopyButton value={a.text}>
            {({ copied, copy }) => (
              <Button
                size="compact-sm"
                variant="default"
                onClick={copy}
                leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
              >
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
        )}
        {again && (
          <Button size="compact-sm" variant="default" onClick={again} leftSection={<IconRefresh size={14} aria-hidden />}>
            Ask again
          </Button>
        )}
        {a.request && a.over && (
          <Button size="compact-sm" variant="default" onClick={() => setShown(!shown)} aria-expanded={shown}>
            How it went
          </Button>
        )}
        {a.request && a.over && (
          <Button size="compact-sm" variant="default" component={Link} to={`/calls?call=${encodeURIComponent(a.request)}`}>
            The call
          </Button>
        )}
      </Group>
      {shown && a.request && <Way id={a.request} />}
    </div>
  )
}

function Way({ id }: { id: string }) {
  const journey = useQuery(journeyQuery(id))
  return (
    <Answered query={journey} height={220}>
      {(j) => <Timeline journey={j} />}
    </Answered>
  )
}
