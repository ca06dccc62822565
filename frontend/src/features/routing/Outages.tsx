import { Button, Group, Select, Stack, Text } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Answered, Failure } from '../../components/States'
import { When } from '../../components/When'
import { beginning, ending, type Model, outagesQuery, type Provider } from './queries'

const kinds = [
  { value: 'refuse', label: 'It cannot be reached' },
  { value: 'hang', label: 'It never answers' },
  { value: 'error', label: 'It answers with an error' },
]

/** Makes a target fail for a while, so that one sees what Corral does then. */
export function Outages({ models, providers }: { models: Model[]; providers: Provider[] }) {
  const targets = [...new Set(models.flatMap((m) => m.targets?.map((t) => `${t.provider}/${t.model}`) ?? []))]
  const choices = [...targets, ...providers.map((p) => p.name)]
  const [what, setWhat] = useState(choices[0] ?? '')
  const [kind, setKind] = useState<string>('refuse')
  const [minutes, setMinutes] = useState('1')
  const all = useQuery(outagesQuery)
  const queries = useQueryClient()
  const begin = useMutation(beginning(queries))
  const end = useMutation(ending(queries))
  const slash = what.indexOf('/')
  const provider = slash < 0 ? what : what.slice(0, slash)
  const model = slash < 0 ? undefined : what.slice(slash + 1)
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Calls for the target fail as if its server did: retries, breaker and the next target act as they would. It ends by itself, and with
        Corral.
      </Text>
      <Answered query={all} height={40}>
        {(d) => (
          <>
            {d.outages?.map((o) => {
              const name = o.model ? `${o.provider}/${o.model}` : o.provider
              return (
                <Group key={name} role="status" justify="space-between">
                  <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
                    {name} fails ({kinds.find((k) => k.value === o.kind)?.label.toLowerCase()}) until <When at={o.until} />
                  </Text>
                  <Button
                    size="compact-sm"
                    variant="default"
                    onClick={() => end.mutate({ provider: o.provider, model: o.model })}
                    loading={end.isPending}
                    aria-label={`End the outage of ${name}`}
                  >
                    End it
                  </Button>
                </Group>
              )
            })}
          </>
        )}
      </Answered>
      <Group align="flex-end">
        <Select label="What fails" data={choices} value={what} onChange={(v) => setWhat(v ?? '')} allowDeselect={false} w={240} />
        <Select label="How" data={kinds} value={kind} onChange={(v) => setKind(v ?? 'refuse')} allowDeselect={false} w={210} />
        <Select
          label="For"
          data={[
            { value: '1', label: '1 minute' },
            { value: '2', label: '2 minutes' },
            { value: '5', label: '5 minutes' },
            { value: '10', label: '10 minutes' },
          ]}
          value={minutes}
          onChange={(v) => setMinutes(v ?? '1')}
          allowDeselect={false}
          w={130}
        />
        <Button
          color="red"
          variant="filled"
          loading={begin.isPending}
          disabled={what === ''}
          onClick={() => begin.mutate({ provider, model, kind: kind as 'refuse', seconds: Number(minutes) * 60 })}
        >
          Begin the outage
        </Button>
      </Group>
      {begin.error && <Failure error={begin.error} />}
      {end.error && <Failure error={end.error} />}
    </Stack>
  )
}
