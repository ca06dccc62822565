import { Button, Group, Loader, Select, Stack, Switch, Text, Title, VisuallyHidden } from '@mantine/core'
import { IconAdjustments, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { Empty, Failure, Loading } from '../../components/States'
import { AnswerCard } from './AnswerCard'
import { Composer } from './Composer'
import { first, groups, problems, sees } from './choices'
import { conversation, type State, type Turn } from './conversation'
import { opened } from './opened'
import { Parameters } from './Parameters'
import classes from './Playground.module.css'
import { choicesQuery } from './queries'

/** Chat with any model or chain, and see who answered and why. */
export function Page() {
  const state = useSyncExternalStore(conversation.watch, conversation.current)
  const choices = useQuery(choicesQuery())
  const [parameters, setParameters] = useState(false)
  useOpened()

  const who = choices.data ? first(choices.data) : ''
  useEffect(() => {
    if (who && state.choices.some((c) => !c)) conversation.change({ choices: state.choices.map((c) => c || who) })
  }, [who, state.choices])

  useEffect(() => {
    if (!state.busy) return
    const key = (e: KeyboardEvent) => e.key === 'Escape' && conversation.stop()
    window.addEventListener('keydown', key)
    return () => window.removeEventListener('keydown', key)
  }, [state.busy])

  const two = state.choices.length > 1
  return (
    <Stack gap="sm" className={classes.page}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Playground
        </Title>
        <Group gap="xs">
          <Switch
            label="Two side by side"
            checked={two}
            onChange={(e) => conversation.compare(e.currentTarget.checked)}
            disabled={!choices.data}
          />
          <Button
            variant="default"
            leftSection={<IconAdjustments size={16} aria-hidden />}
            onClick={() => setParameters(!parameters)}
            aria-expanded={parameters}
          >
            Parameters
          </Button>
          <Button
            variant="default"
            leftSection={<IconTrash size={16} aria-hidden />}
            onClick={() => conversation.clear()}
            disabled={state.turns.length === 0}
          >
            Clear
          </Button>
        </Group>
      </Group>
      {choices.data ? (
        <>
          <div className={classes.lanes} data-two={two || undefined}>
            {state.choices.map((choice, lane) => (
              <Select
                key={lane}
                label={two ? `Model ${lane + 1}` : 'Model'}
                placeholder="Choose who is asked"
                data={withUnknown(groups(choices.data), choice)}
                value={choice || null}
                onChange={(v) => v && conversation.choose(lane, v)}
                searchable
                allowDeselect={false}
                nothingFoundMessage="No model by that name"
                maxDropdownHeight={360}
              />
            ))}
          </div>
          {problems(choices.data).map((p) => (
            <Text key={p} size="sm" c="dimmed">
              {p}
            </Text>
          ))}
        </>
      ) : choices.error ? (
        <Failure error={choices.error} retry={() => void choices.refetch()} />
      ) : (
        <Loading height={60} />
      )}
      {parameters && <Parameters settings={state.settings} />}
      <Turns state={state} none={choices.data !== undefined && who === ''} />
      <Composer
        state={state}
        sees={state.choices.every((c) => sees(choices.data, c) === false) ? false : undefined}
        ready={state.choices.every(Boolean)}
      />
      <Announced turns={state.turns} busy={state.busy} />
    </Stack>
  )
}

/** Takes over a call that the page of calls opens here. */
function useOpened() {
  const { state: from, pathname } = useLocation()
  const navigate = useNavigate()
  useEffect(() => {
    if (typeof from?.body !== 'string') return
    const call = opened(String(from.operation), from.body)
    if (call) conversation.open(call)
    void navigate(pathname, { replace: true, state: null })
  }, [from, pathname, navigate])
}

function withUnknown(list: ReturnType<typeof groups>, choice: string) {
  if (!choice || list.some((g) => g.items.some((i) => i.value === choice))) return list
  return [...list, { group: 'As the call had it', items: [{ value: choice, label: choice.replace(/^target:/, '') }] }]
}

function Turns({ state, none }: { state: State; none: boolean }) {
  const end = useRef<HTMLDivElement>(null)
  const follow = useRef(true)
  useEffect(() => {
    // Who has scrolled up to read is left there.
    const scrolled = () => {
      follow.current = document.documentElement.scrollHeight - window.scrollY - window.innerHeight < 160
    }
    window.addEventListener('scroll', scrolled, { passive: true })
    return () => window.removeEventListener('scroll', scrolled)
  }, [])
  const { turns, choices, busy } = state
  useEffect(() => {
    if (turns.length > 0 && follow.current) end.current?.scrollIntoView({ block: 'end' })
  }, [turns])

  if (none) {
    return (
      <Empty title="There is no model to ask">
        Start a model server and have it pull a model, such as <code>ollama pull llama3.2</code>; it comes up here then.
      </Empty>
    )
  }
  if (turns.length === 0) {
    return (
      <Empty title="Ask something">
        The question goes the way of an app’s call. Beside the answer stands who gave it and why, how long each stage took, and what it
        cost.
      </Empty>
    )
  }
  return (
    <section aria-label="Conversation" aria-busy={busy}>
      <Stack gap="md">
        {turns.map((t, i) => (
          <article key={t.id} className={classes.turn} aria-label={`Question ${i + 1}`}>
            <div className={classes.question}>
              {t.images.map((src, k) => (
                <img key={k} src={src} alt={`Attached, ${k + 1}`} className={classes.picture} />
              ))}
              <div className={classes.said}>{t.text}</div>
            </div>
            <div className={classes.lanes} data-two={choices.length > 1 || t.answers.length > 1 || undefined}>
              {t.answers.map((a, lane) =>
                a ? (
                  <AnswerCard
                    key={a.id}
                    answer={a}
                    again={i === turns.length - 1 && !busy && lane < choices.length ? () => conversation.again(lane) : undefined}
                  />
                ) : (
                  <div key={lane} />
                ),
              )}
            </div>
          </article>
        ))}
      </Stack>
      <div ref={end} />
    </section>
  )
}

/** What screen readers are told: that an answer is there, and not each word of it. */
function Announced({ turns, busy }: { turns: readonly Turn[]; busy: boolean }) {
  const answers = (turns.at(-1)?.answers ?? []).filter((a) => a !== undefined)
  const words = answers.map((a) => {
    if (a.state === 'failed') return `No answer: ${a.problem?.text}`
    if (a.state === 'stopped') return 'Stopped.'
    return a.state === 'done' ? `${a.target || 'The model'} has answered.` : ''
  })
  return (
    <VisuallyHidden role="status">
      {busy ? 'Asking' : words.join(' ')}
      {busy && <Loader size={1} aria-hidden />}
    </VisuallyHidden>
  )
}
