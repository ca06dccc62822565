import { Anchor, Button, Group, Loader, Paper, Radio, SimpleGrid, Stack, Tabs, Text, Textarea, Title } from '@mantine/core'
import { IconCircleDashed } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type ReactNode, useCallback, useEffect, useId, useMemo, useRef, useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { remedy } from '../../api/ask'
import { ApiError, type Schema } from '../../api/client'
import { count, counted, duration } from '../../components/format'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command, Failure, Loading } from '../../components/States'
import { refuseGuide } from '../../hooks/guide'
import { ask } from './ask'
import { type Choice, first, here, keeper, names } from './choices'
import { type System, systemOf, ways } from './ollama'
import { Pulling } from './Pulling'
import { choicesQuery, libraryQuery, statusQuery } from './queries'
import { snippets } from './snippets'

/** The way from nothing to an app that is answered: a model server, a model, a question, the address. */
export function Page() {
  const status = useQuery(statusQuery)
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
        {(s) => <Steps status={s} again={() => void status.refetch()} looking={status.isFetching} leave={leave} />}
      </Answered>
    </Stack>
  )
}

type StepsProps = {
  status: Schema<'Status'>
  again: () => void
  looking: boolean
  leave: () => void
}

/** Whom there is to ask, and who was chosen: the smallest model on this machine, until a person chooses. */
function useWhom(enabled: boolean) {
  const library = useQuery({ ...libraryQuery, enabled })
  const choices = useQuery({ ...choicesQuery, enabled })
  const [key, choose] = useState('')
  const models = useMemo(() => (library.data ? here(library.data, choices.data) : []), [library.data, choices.data])
  const called = useMemo(() => (library.data ? names(library.data, choices.data) : []), [library.data, choices.data])
  const chosen = [...models, ...called].find((c) => c.key === key)
  const own = choices.isPending ? undefined : first(models)?.key
  useEffect(() => {
    if (own && !chosen) choose(own)
  }, [own, chosen])
  return { library, choices, models, called, chosen, choose }
}

type Whom = ReturnType<typeof useWhom>

function Steps({ status, again, looking, leave }: StepsProps) {
  const servers = status.providers ?? []
  const answers = servers.some((p) => p.reachable)
  const whom = useWhom(answers)
  const { chosen } = whom
  const [answered, setAnswered] = useState(false)
  return (
    <>
      <Step number={1} title="A model server" done={answers}>
        {answers ? <Servers servers={servers} /> : <GetOllama servers={servers} again={again} looking={looking} />}
      </Step>
      <Step number={2} title="A model" done={answers && chosen !== undefined}>
        {answers ? <Models whom={whom} /> : <Later>As soon as a model server answers, its models are here.</Later>}
      </Step>
      <Step number={3} title="A question" done={answered}>
        {chosen ? <Try key={chosen.key} whom={chosen} done={() => setAnswered(true)} /> : <Later>Choose a model first.</Later>}
      </Step>
      <Step number={4} title="The address for your apps">
        <Address address={`http://${status.listen}`} whom={chosen} keyed={status.auth === 'required'} />
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

function Models({ whom }: { whom: Whom }) {
  const { library, choices } = whom
  return (
    <Answered query={library} height={100}>
      {(l) => (choices.isPending ? <Loading height={100} /> : <Chosen whom={whom} library={l} />)}
    </Answered>
  )
}

/** Models that are shown at once; the rest is on the page of models. */
const most = 12

function Chosen({ whom, library }: { whom: Whom; library: Schema<'Library'> }) {
  const { models, called, chosen, choose, choices } = whom
  const provider = keeper(library, choices.data)
  const seen = models.filter((m, i) => i < most || m === chosen)
  const pulled = useCallback(
    (name: string) => {
      const m = models.find((m) => m.name === name || m.name === `${name}:latest`)
      if (m) choose(m.key)
      return m !== undefined
    },
    [models, choose],
  )
  return (
    <Stack gap="md">
      {models.length > 0 && (
        <Radios label="Those that are on this machine" list={seen} whom={whom}>
          {models.length > seen.length && (
            <Text size="sm" c="dimmed" mt="xs">
              All {count(models.length)} are under{' '}
              <Anchor component={Link} to="/models" size="sm" underline="always">
                Models
              </Anchor>
              .
            </Text>
          )}
        </Radios>
      )}
      {models.length === 0 && (
        <Text size="sm">
          There is no model on this machine yet.{' '}
          {provider
            ? 'A small one is enough to begin with; pulling brings it onto this machine:'
            : 'None can be pulled here either: no Ollama on this machine answers.'}
        </Text>
      )}
      {provider && (
        <Pulling
          provider={provider}
          pulls={library.pulls ?? []}
          have={(library.models ?? []).map((m) => m.name)}
          pulled={pulled}
          open={models.length === 0}
        />
      )}
      {called.length > 0 && <Radios label="Names in your config" list={called} whom={whom} />}
      {choices.error && (
        <Text size="sm" c="dimmed">
          The names of the config are not known: {choices.error.message}
        </Text>
      )}
    </Stack>
  )
}

function Radios({ label, list, whom, children }: { label: string; list: readonly Choice[]; whom: Whom; children?: ReactNode }) {
  return (
    <Radio.Group value={whom.chosen?.key ?? ''} onChange={whom.choose} label={label}>
      <SimpleGrid cols={{ base: 1, xs: 2 }} mt="xs" spacing="xs">
        {list.map((m) => (
          <Radio key={m.key} value={m.key} label={m.name} description={m.about} styles={{ body: { overflowWrap: 'anywhere' } }} />
        ))}
      </SimpleGrid>
      {children}
    </Radio.Group>
  )
}

function Try({ whom, done }: { whom: Choice; done: () => void }) {
  const [question, setQuestion] = useState('Why is the sky blue? Answer in one sentence.')
  const id = useId()
  const ends = useRef<AbortController>(undefined)
  useEffect(() => () => ends.current?.abort(), [])
  const reply = useMutation({
    mutationFn: () => {
      ends.current = new AbortController()
      return ask(whom, question, ends.current.signal)
    },
    onSuccess: done,
  })
  const help = reply.error instanceof ApiError ? remedy(reply.error.status) : ''
  return (
    <Stack gap="sm" align="stretch">
      <Textarea id={id} label={`Ask ${whom.name}`} value={question} onChange={(e) => setQuestion(e.currentTarget.value)} rows={2} />
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
      {reply.error && <Failure title="No answer" error={reply.error} retry={() => reply.mutate()} />}
      {help && (
        <Text size="sm" c="dimmed">
          {help}
        </Text>
      )}
      {reply.data && (
        <Paper withBorder radius="md" p="md" role="status">
          <Severity level="ok" word={`${whom.name} answered`} />
          <Text size="sm" mt="xs" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {reply.data.text || 'It had nothing to say.'}
          </Text>
          <Text size="xs" c="dimmed" mt="xs">
            {[
              duration(reply.data.ms),
              reply.data.tokens !== undefined && counted(reply.data.tokens, 'token'),
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

function Address({ address, whom, keyed }: { address: string; whom: Choice | undefined; keyed: boolean }) {
  const list = snippets(address, whom?.asked ?? 'MODEL', { runs: whom?.runs ?? true, keyed })
  const [tab, setTab] = useState('')
  return (
    <Stack gap="sm">
      <Text size="sm">{keyed ? 'An app needs the address, and a key:' : 'An app needs the address, and nothing else:'}</Text>
      <Command text={address} />
      {keyed && (
        <>
          <Text size="sm">
            This Corral asks apps for a key (auth: required). Make one under{' '}
            <Anchor component={Link} to="/settings?part=keys" size="sm" underline="always">
              Settings, App keys
            </Anchor>
            , or in a terminal, and give it to the app in place of YOUR_KEY:
          </Text>
          <Command text="corral keys create my-app" />
        </>
      )}
      {whom && !whom.asked ? (
        <Text size="sm">
          Apps have no name for {whom.target} yet. Give it one under{' '}
          <Anchor component={Link} to="/routing" size="sm" underline="always">
            Routing
          </Anchor>
          : a name whose first target it is.
        </Text>
      ) : (
        <Tabs value={list.some((s) => s.name === tab) ? tab : list[0]?.name} onChange={(v) => setTab(v ?? '')}>
          <Tabs.List aria-label="API">
            {list.map((s) => (
              <Tabs.Tab key={s.name} value={s.name}>
                {s.name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {list.map((s) => (
            <Tabs.Panel key={s.name} value={s.name} pt="sm">
              <Command text={s.text} />
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
    </Stack>
  )
}
