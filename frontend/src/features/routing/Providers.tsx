import { Alert, Badge, Button, Card, Group, Modal, PasswordInput, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Failure } from '../../components/States'
import { type Edit, keeping, type Model, named, type Provider, statusQuery, trying } from './queries'
import type { Change } from './Routing'

const kinds = [
  { value: 'ollama', label: 'Ollama' },
  { value: 'openai', label: 'OpenAI, or a server that speaks like it' },
  { value: 'anthropic', label: 'Anthropic' },
  { value: 'gemini', label: 'Gemini' },
]
const usual: Record<string, string> = {
  ollama: 'http://127.0.0.1:11434',
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com',
  gemini: 'https://generativelanguage.googleapis.com',
}

interface Props {
  providers: Provider[]
  models: Model[]
  writable: boolean
  propose: (c: Change) => void
}

/** The model servers, with a way to try, change, add and remove them. */
export function Providers({ providers, models, writable, propose }: Props) {
  const [open, setOpen] = useState<Provider | 'new'>()
  return (
    <Section
      title="Model servers"
      right={
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={16} aria-hidden />}
          disabled={!writable}
          onClick={() => setOpen('new')}
        >
          Add a server
        </Button>
      }
    >
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} component="ul" style={{ listStyle: 'none', margin: 0, padding: 0 }}>
        {providers.map((p, i) => (
          <li key={p.name}>
            <One
              provider={p}
              first={i === 0}
              used={models.filter((m) => m.targets?.some((t) => t.provider === p.name)).map((m) => m.name)}
              last={providers.length === 1}
              writable={writable}
              edit={() => setOpen(p)}
              propose={propose}
            />
          </li>
        ))}
      </SimpleGrid>
      {open && (
        <Edited
          provider={open === 'new' ? undefined : open}
          taken={providers.map((p) => p.name)}
          close={() => setOpen(undefined)}
          done={(c) => {
            setOpen(undefined)
            propose(c)
          }}
        />
      )}
    </Section>
  )
}

function One({
  provider: p,
  first,
  used,
  last,
  writable,
  edit,
  propose,
}: {
  provider: Provider
  first: boolean
  used: string[]
  last: boolean
  writable: boolean
  edit: () => void
  propose: (c: Change) => void
}) {
  const status = useQuery(statusQuery)
  const test = useMutation(trying)
  const seen = status.data?.providers?.find((s) => s.name === p.name)
  return (
    <Card withBorder h="100%">
      <Stack gap={6} h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
            {p.name}
          </Text>
          {seen && <Severity level={seen.reachable ? 'ok' : 'warning'} word={seen.reachable ? 'Answers' : 'Away'} />}
        </Group>
        <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          {kinds.find((k) => k.value === p.kind)?.label}, {p.url}
        </Text>
        {p.key && (
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            Key from {p.key}
          </Text>
        )}
        {first && (
          <Text size="sm" c="dimmed">
            Takes every name that has no targets below.
          </Text>
        )}
        {seen?.problem && (
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {seen.problem}
          </Text>
        )}
        {test.data && <Tested result={test.data} />}
        {test.error && <Failure error={test.error} />}
        <Group gap="xs" mt="auto" pt="xs">
          <Button
            size="compact-sm"
            variant="default"
            loading={test.isPending}
            onClick={() => test.mutate({ name: p.name })}
            aria-label={`Test ${p.name}`}
          >
            Test
          </Button>
          <Button size="compact-sm" variant="default" disabled={!writable} onClick={edit} aria-label={`Change ${p.name}`}>
            Change
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            disabled={!writable || last || used.length > 0}
            title={used.length > 0 ? `Used by ${used.join(', ')}` : undefined}
            onClick={() => propose({ title: `Remove ${p.name}?`, edits: [{ op: 'remove', path: named('providers', p.name) }] })}
            aria-label={`Remove ${p.name}`}
          >
            Remove
          </Button>
        </Group>
      </Stack>
    </Card>
  )
}

/** What trying a server gave. */
export function Tested({ result: r }: { result: Schema<'ProviderTested'> }) {
  return (
    <Stack gap={4} role="status">
      <Severity
        level={r.problem ? (r.reachable ? 'warning' : 'critical') : 'ok'}
        word={r.problem ? r.problem : `It answers in ${Math.round(r.ms)} ms${r.version ? `, version ${r.version}` : ''}`}
      />
      {r.do && (
        <Text size="sm" fw={500}>
          What mends it: {r.do}
        </Text>
      )}
      {(r.models?.length ?? 0) > 0 && (
        <Group gap={4}>
          {r.models?.slice(0, 6).map((m) => (
            <Badge key={m} variant="default" tt="none">
              {m}
            </Badge>
          ))}
          {(r.models?.length ?? 0) > 6 && <Text size="xs">and {(r.models?.length ?? 0) - 6} more</Text>}
        </Group>
      )}
    </Stack>
  )
}

function Edited({ provider, taken, close, done }: { provider?: Provider; taken: string[]; close: () => void; done: (c: Change) => void }) {
  const [name, setName] = useState(provider?.name ?? '')
  const [kind, setKind] = useState<string>(provider?.kind ?? 'openai')
  const [url, setUrl] = useState(provider?.url ?? '')
  const [ref, setRef] = useState(provider?.key ?? '')
  const [key, setKey] = useState('')
  const test = useMutation(trying)
  const keep = useMutation(keeping(useQueryClient()))
  const twice = !provider && taken.includes(name)
  const bad = name !== '' && !/^[\w.-]{1,64}$/.test(name)
  const submit = async () => {
    let where = ref.trim()
    if (key !== '') {
      where = where.startsWith('keyring:') ? where : `keyring:${name}`
      try {
        await keep.mutateAsync({ name: where.slice('keyring:'.length), key })
      } catch {
        return // it is told below
      }
      setKey('')
    }
    done({
      title: provider ? `Change ${name}` : `Add ${name}`,
      edits: providerEdits(provider, { name, kind: kind as Provider['kind'], url: url.trim(), key: where }),
    })
  }
  return (
    <Modal
      opened
      onClose={close}
      title={<Text fw={650}>{provider ? `Change ${provider.name}` : 'Add a model server'}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form
        onSubmit={(e) => {
          e.preventDefault()
          void submit()
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            disabled={!!provider}
            required
            data-autofocus
            error={twice ? 'There is one of this name already' : bad ? 'Letters, digits, dots, dashes and underscores' : undefined}
          />
          <Select label="Kind" data={kinds} value={kind} onChange={(v) => setKind(v ?? 'openai')} allowDeselect={false} />
          <TextInput
            label="Address"
            placeholder={usual[kind]}
            description="Empty: the usual one"
            value={url}
            onChange={(e) => setUrl(e.currentTarget.value)}
          />
          <PasswordInput
            label="Key"
            description="Goes into the keyring, or a file that only you can read, and is never shown again. Empty: as it is"
            value={key}
            onChange={(e) => setKey(e.currentTarget.value)}
            autoComplete="off"
            visibilityToggleButtonProps={{ 'aria-label': 'Show what is typed' }}
          />
          <TextInput
            label="Where the key is kept"
            placeholder={`keyring:${name || 'name'}`}
            description="keyring:NAME, env:NAME or file:PATH; empty: it needs none"
            value={ref}
            onChange={(e) => setRef(e.currentTarget.value)}
          />
          {test.data && <Tested result={test.data} />}
          {test.error && <Failure error={test.error} />}
          {keep.error && <Failure error={keep.error} />}
          {keep.data && (
            <Alert variant="outline" role="status">
              The key is kept: {keep.data.where}
            </Alert>
          )}
          <Group justify="space-between">
            <Button
              variant="default"
              loading={test.isPending}
              onClick={() =>
                test.mutate({
                  name: name || undefined,
                  kind: kind as Provider['kind'],
                  url: url.trim() || undefined,
                  key: ref.trim() || undefined,
                  text: key || undefined,
                })
              }
            >
              Test
            </Button>
            <Button type="submit" disabled={name === '' || twice || bad} loading={keep.isPending}>
              Show what changes
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** The edits that make a server what was entered. */
export function providerEdits(was: Provider | undefined, now: Provider): Edit[] {
  if (!was) {
    const value = { name: now.name, kind: now.kind, ...(now.url && { url: now.url }), ...(now.key && { key: now.key }) }
    return [{ op: 'add', path: 'providers', value }]
  }
  const at = named('providers', was.name)
  const edits: Edit[] = []
  for (const field of ['kind', 'url', 'key'] as const) {
    if ((now[field] ?? '') === (was[field] ?? '')) continue
    edits.push(now[field] ? { op: 'set', path: `${at}.${field}`, value: now[field] } : { op: 'remove', path: `${at}.${field}` })
  }
  return edits
}
