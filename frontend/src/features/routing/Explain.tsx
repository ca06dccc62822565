import { Autocomplete, Button, Checkbox, Group, NumberInput, Select, Stack, Table, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { Severity } from '../../components/Severity'
import { Failure } from '../../components/States'
import { Wide } from '../../components/Wide'
import { explaining } from './queries'

const taken = {
  first: { level: 'ok', word: 'Asked first' },
  next: { level: 'notice', word: 'Asked next' },
  skipped: { level: 'warning', word: 'Left alone' },
  out: { level: 'absent', word: 'Not asked' },
} as const

/** Says where a call would go now, by the stages that decide about calls. */
export function Explain({ names }: { names: string[] }) {
  const [model, setModel] = useState(names[0] ?? '')
  const [dialect, setDialect] = useState<string>('openai')
  const [tokens, setTokens] = useState<number | string>('')
  const [needs, setNeeds] = useState<string[]>([])
  const explain = useMutation(explaining)
  const has = (what: string) => needs.includes(what)
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Nothing is sent to a model: the parts of Corral that decide about calls are asked.
      </Text>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          explain.mutate({
            model,
            dialect: dialect as 'openai',
            tokens: Number(tokens) || undefined,
            tools: has('tools'),
            images: has('images'),
            stream: has('stream'),
            greedy: has('greedy'),
            alone: has('alone'),
          })
        }}
      >
        <Group align="flex-end">
          <Autocomplete label="Model" data={names} value={model} onChange={setModel} required w={220} />
          <Select
            label="API of the app"
            data={[
              { value: 'openai', label: 'OpenAI' },
              { value: 'ollama', label: 'Ollama' },
              { value: 'anthropic', label: 'Anthropic' },
            ]}
            value={dialect}
            onChange={(v) => setDialect(v ?? 'openai')}
            allowDeselect={false}
            w={180}
          />
          <NumberInput label="Length in tokens" min={0} max={200000} value={tokens} onChange={setTokens} w={150} />
          <Button type="submit" loading={explain.isPending} disabled={model.trim() === ''}>
            What would happen?
          </Button>
        </Group>
        <Checkbox.Group value={needs} onChange={setNeeds} mt="sm" aria-label="What the call is like">
          <Group gap="md">
            <Checkbox value="tools" label="With tools" />
            <Checkbox value="images" label="With a picture" />
            <Checkbox value="stream" label="Streamed" />
            <Checkbox value="greedy" label="Temperature 0" />
            <Checkbox value="alone" label="No other target" />
          </Group>
        </Checkbox.Group>
      </form>
      {explain.error && <Failure error={explain.error} />}
      {explain.data && <Shown answer={explain.data} />}
    </Stack>
  )
}

function Shown({ answer: x }: { answer: Schema<'Explained'> }) {
  return (
    <Stack gap="xs" role="status">
      <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
        {x.text}
      </Text>
      {(x.candidates?.length ?? 0) > 0 && (
        <Wide label="Targets of the call" least={560} most={400}>
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">Target</Table.Th>
                <Table.Th scope="col">Then</Table.Th>
                <Table.Th scope="col">Why</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {x.candidates?.map((c, i) => (
                <Table.Tr key={`${i} ${c.provider}/${c.model}`}>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    {c.provider}/{c.model}
                    {c.away && (
                      <Text size="xs" c="dimmed">
                        leaves this machine: {c.away}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Severity {...taken[c.taken]} />
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>{c.why}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
      {x.last_resort?.map((l) => (
        <Text size="sm" key={l}>
          Last resort: {l}
        </Text>
      ))}
      <Text size="sm">A kept answer: {x.cache}.</Text>
      {x.budget && <Text size="sm">Budget: {x.budget}.</Text>}
      {x.pressure && <Text size="sm">The machine is short of {x.pressure}.</Text>}
    </Stack>
  )
}
