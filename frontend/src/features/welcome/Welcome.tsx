import { Anchor, Button, Group, Loader, Paper, Progress, Radio, SimpleGrid, Stack, Tabs, Text, Textarea, Title } from '@mantine/core'
import { IconCircleDashed } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import type { Schema } from '../../api/client'
import { bytes, count, duration } from '../../components/format'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command, Failure } from '../../components/States'
import { refuseGuide } from '../../hooks/guide'
import { ask, type Progress as Pulled, pull, type System, small, snippets, systemOf, ways } from './ollama'
import { modelsQuery, statusQuery } from './queries'

/** The way from nothing to an app that is answered: a model server, a model, a question, the address. */
export function Page() {
  const status = useQuery(statusQuery)
  const [model, setModel] = useState('')
  const navigate = useNavigate()
  const leave = () => {
    refuseGuide()
    void navigate('/')
  }
  return (
    <Stack maw={860}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          First steps
        </Title>
        <Button variant="default" size="xs" onClick={leave}>
          Do not show this at start
        </Button>
      </Group>
      <Text c="dimmed">
        Corral stands between your apps and the models on this machine. Four steps, and an app is answered; you can come back to them at any
        time from the menu.
      </Text>
      <Answered query={status} height={140}>
        {(s) => (
          <Steps status={s} model={model} choose={setModel} again={() => void status.refetch()} looking={status.isFetching} leave={leave} />
        )}
      </Answered>
    </Stack>
  )
}

type StepsProps = {
  status: Schema<'Status'>
  model: string
  choose: (model: string) => void
  again: () => void
  looking: boolean
  leave: () => void
}

function Steps({ status, model, choose, again, looking, leave }: StepsProps) {
  const servers = status.providers ?? []
  const answers = servers.some((p) => p.reachable)
  const [answered, setAnswered] = useState(false)
  const address = `http://${status.listen}`
  return (
    <>
      <Step number={1} title="A model server" done={answers}>
        {answers ? <Servers servers={servers} /> : <GetOllama servers={servers} again={again} looking={looking} />}
      </Step>
      <Step number={2} title="A model" done={answers && model !== ''}>
        {!answers && <Later>As soon as a model server answers, its models are here.</Later>}
        {answers && status.auth === 'required' && (
          <Later>
            This Corral asks apps for a key (auth: required). Make one in a terminal, and give it to the app in place of “any”:
            <Command text="corral keys create my-app" />
          </Later>
        )}
        {answers && status.auth !== 'required' && <Models model={model} choose={choose} />}
      </Step>
      <Step number={3} title="A question" done={answered}>
        {model === '' ? <Later>Choose a model first.</Later> : <Try key={model} model={model} done={() => setAnswered(true)} />}
      </Step>
      <Step number={4} title="The address for your apps">
        <Address address={address} model={model || 'llama3.2'} />
      </Step>
      <Group>
        <Button onClick={leave}>To the overview</Button>
      </Group>
    </>
  )
}

function Step({ number, title, done, children }: { number: number; title: string; done?: boolean; children: ReactNode }) {
  return (
    <Section
      title={`${number}. ${title}`}
      right={done ? <Severity level="ok" word="Done" /> : <IconCircleDashed size={20} color="var(--mantine-color-dimmed)" aria-hidden />}
    >
      {children}
    </Section>
  )
}

const Later = ({ children }: { children: ReactNode }) => (
  <Text size="sm" c="dimmed" component="div">
    {children}
  </Text>
)

function Servers({ servers }: { servers: Schema<'Provider'>[] }) {
  return (
    <Stack gap={2}>
      {servers.map((p) => (
        <Text key={p.name} size="sm" style={{ overflowWrap: 'anywhere' }}>
          <b>{p.name}</b> at {p.url} {p.reachable ? 'answers' : `does not answer: ${p.problem ?? ''}`}
        </Text>
      ))}
    </Stack>
  )
}

function GetOllama({ servers, again, looking }: { servers: Schema<'Provider'>[]; again: () => void; looking: boolean }) {
  return (
    <Stack gap="sm" align="flex-start">
      <Servers servers={servers} />
      <Text size="sm">If Ollama is installed on this machine already, it has to be started:</Text>
      <Command text="ollama serve" />
      <Text size="sm">
        If it is not, this installs it; other ways are at{' '}
        <Anchor href="https://ollama.com/download" target="_blank" rel="noreferrer" underline="always">
          ollama.com/download
        </Anchor>
        . Corral looks for it by itself meanwhile.
      </Text>
      <Tabs defaultValue={systemOf(navigator.userAgent)} w="100%">
        <Tabs.List aria-label="System">
          {Object.keys(ways).map((s) => (
            <Tabs.Tab key={s} value={s}>
              {s}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {Object.entries(ways).map(([s, text]) => (
          <Tabs.Panel key={s} value={s as System} pt="sm">
            <Command text={text} />
          </Tabs.Panel>
        ))}
      </Tabs>
      <Button variant="default" size="xs" onClick={again} loading={looking}>
        Look again
      </Button>
    </Stack>
  )
}

function Models({ model, choose }: { model: string; choose: (model: string) => void }) {
  const models = useQuery(modelsQuery)
  const first = models.data?.[0]?.name
  useEffect(() => {
    if (first && model === '') choose(first)
  }, [first, model, choose])
  return (
    <Answered query={models} height={100}>
      {(list) => (
        <Stack gap="md">
          {list.length > 0 ? (
            <Radio.Group value={model} onChange={choose} label="Those that are on this machine">
              <SimpleGrid cols={{ base: 1, xs: 2 }} mt="xs" spacing="xs">
                {list.slice(0, 12).map((m) => (
                  <Radio
                    key={m.name}
                    value={m.name}
                    label={m.name}
                    description={[m.parameters, m.size > 0 ? bytes(m.size) : ''].filter(Boolean).join(', ')}
                  />
                ))}
              </SimpleGrid>
            </Radio.Group>
          ) : (
            <Text size="sm">There is no model on this machine yet. A small one is enough to begin with:</Text>
          )}
          <Load have={list.map((m) => m.name)} loaded={choose} open={list.length === 0} />
        </Stack>
      )}
    </Answered>
  )
}

function Load({ have, loaded, open }: { have: string[]; loaded: (model: string) => void; open: boolean }) {
  const queries = useQueryClient()
  const [progress, setProgress] = useState<Pulled>()
  const [shown, setShown] = useState(open)
  const ends = useRef<AbortController>(undefined)
  useEffect(() => () => ends.current?.abort(), [])
  const load = useMutation({
    mutationFn: async (name: string) => {
      ends.current = new AbortController()
      setProgress({ status: 'asking', done: 0, total: 0 })
      await pull(name, setProgress, ends.current.signal)
    },
    onSuccess: async (_, name) => {
      await queries.invalidateQueries({ queryKey: modelsQuery.queryKey })
      loaded(name)
    },
    onSettled: () => setProgress(undefined),
  })
  const stopped = load.error?.name === 'AbortError'
  if (!shown)
    return (
      <Group>
        <Button variant="subtle" size="compact-sm" onClick={() => setShown(true)}>
          Load another one
        </Button>
      </Group>
    )
  const part = progress && progress.total > 0 ? (100 * progress.done) / progress.total : 0
  return (
    <Stack gap="sm">
      {!load.isPending && (
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
                onClick={() => load.mutate(m.name)}
                styles={{ label: { whiteSpace: 'normal', textAlign: 'left' } }}
              >
                <span>
                  Load {m.name} ({bytes(m.size)})
                  <Text size="xs" c="dimmed" fw={400} component="span" display="block">
                    {m.about}
                  </Text>
                </span>
              </Button>
            ))}
        </SimpleGrid>
      )}
      {load.isPending && progress && (
        <Stack gap={6}>
          <Text size="sm" role="status">
            {load.variables}: {progress.status}
            {progress.total > 0 && `, ${bytes(progress.done)} of ${bytes(progress.total)}`}
          </Text>
          <Progress value={part} aria-label={`Loading ${load.variables}`} striped animated={progress.total === 0} />
          <Group>
            <Button size="xs" variant="default" onClick={() => ends.current?.abort()}>
              Stop
            </Button>
          </Group>
        </Stack>
      )}
      {load.error && !stopped && <Failure error={load.error} retry={() => load.variables && load.mutate(load.variables)} />}
    </Stack>
  )
}

function Try({ model, done }: { model: string; done: () => void }) {
  const [question, setQuestion] = useState('Why is the sky blue? Answer in one sentence.')
  const id = useId()
  const reply = useMutation({ mutationFn: () => ask(model, question), onSuccess: done })
  return (
    <Stack gap="sm" align="stretch">
      <Textarea id={id} label={`Ask ${model}`} value={question} onChange={(e) => setQuestion(e.currentTarget.value)} rows={2} />
      <Group>
        <Button onClick={() => reply.mutate()} disabled={!question.trim() || reply.isPending}>
          Ask
        </Button>
        {reply.isPending && (
          <Group gap="xs" role="status">
            <Loader size="xs" color="var(--corral-line)" />
            <Text size="sm">It thinks. The first answer takes longer: the model is brought into memory.</Text>
          </Group>
        )}
      </Group>
      {reply.error && <Failure error={reply.error} retry={() => reply.mutate()} />}
      {reply.data && (
        <Paper withBorder radius="md" p="md" role="status">
          <Severity level="ok" word={`${model} answered`} />
          <Text size="sm" mt="xs" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {reply.data.text || 'It had nothing to say.'}
          </Text>
          <Text size="xs" c="dimmed" mt="xs">
            {[
              duration(reply.data.ms),
              reply.data.tokens !== undefined && `${count(reply.data.tokens)} tokens`,
              reply.data.provider && `by ${reply.data.provider}`,
            ]
              .filter(Boolean)
              .join(', ')}
            .{' '}
            <Anchor component={Link} to="/calls" size="xs" underline="always">
              See the call
            </Anchor>
          </Text>
        </Paper>
      )}
    </Stack>
  )
}

function Address({ address, model }: { address: string; model: string }) {
  return (
    <Stack gap="sm">
      <Text size="sm">An app needs the address, and nothing else:</Text>
      <Command text={address} />
      <Tabs defaultValue="Ollama">
        <Tabs.List aria-label="API">
          {snippets(address, model).map((s) => (
            <Tabs.Tab key={s.name} value={s.name}>
              {s.name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {snippets(address, model).map((s) => (
          <Tabs.Panel key={s.name} value={s.name} pt="sm">
            <Command text={s.text} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Stack>
  )
}
