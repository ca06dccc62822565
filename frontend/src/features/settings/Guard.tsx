import { Alert, Anchor, Button, Code, Group, Stack, Table, Text, Textarea } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import type { Schema } from '../../api/client'
import { Section } from '../../components/Section'
import { Answered, Empty, Failure } from '../../components/States'
import { Wide } from '../../components/Wide'
import { guardQuery, tryText } from './queries'

const classes: Record<string, string> = { secret: 'key or password', pii: 'personal data', injection: 'attempt to take the model over' }
const done: Record<string, string> = { flag: 'written down', redact: 'hidden', block: 'refused' }

/** What the guard has found, and what it would find in a text. */
export function Guard() {
  const guard = useQuery(guardQuery)
  return (
    <Stack>
      <Section
        title="Found since Corral’s start"
        right={
          <Anchor component={Link} to="/settings" size="sm">
            What is looked for
          </Anchor>
        }
      >
        <Answered query={guard} height={160}>
          {(g) => <Found guard={g} />}
        </Answered>
      </Section>
      <Section title="Try a text">
        <Try />
      </Section>
    </Stack>
  )
}

function Found({ guard: g }: { guard: Schema<'Texts'> }) {
  if (g.secrets === 'off' && g.pii === 'off' && g.injection === 'off')
    return (
      <Empty title="Nothing is looked for">
        Under Common, “What calls must not say” has personal data, keys and passwords, and attempts to take the model over written down,
        hidden or refused.
      </Empty>
    )
  if (!g.found?.length) return <Empty title="Nothing was found">Calls in which something is found are told here by kind.</Empty>
  return (
    <Wide label="What the guard found" least={420}>
      <Table verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">What</Table.Th>
            <Table.Th scope="col">Kind</Table.Th>
            <Table.Th scope="col">Done</Table.Th>
            <Table.Th scope="col" ta="right">
              Times
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {g.found.map((f) => (
            <Table.Tr key={`${f.class} ${f.kind} ${f.action}`}>
              <Table.Td>
                <Anchor component={Link} to={`/calls?flag=${f.class}`} size="sm">
                  {classes[f.class] ?? f.class}
                </Anchor>
              </Table.Td>
              <Table.Td>{f.kind}</Table.Td>
              <Table.Td>{done[f.action] ?? f.action}</Table.Td>
              <Table.Td ta="right">{f.count.toLocaleString()}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  )
}

function Try() {
  const [text, setText] = useState('')
  const tried = useMutation({ mutationFn: tryText })
  return (
    <Stack>
      <Textarea
        label="Text"
        description="It is looked at as if an app had sent it, whatever the settings are. Nothing of it is kept, or sent to a model."
        autosize
        minRows={3}
        maxRows={12}
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value)
          tried.reset()
        }}
        spellCheck={false}
      />
      <Group>
        <Button disabled={!text.trim()} loading={tried.isPending} onClick={() => tried.mutate(text)}>
          Look at it
        </Button>
      </Group>
      {tried.error && <Failure error={tried.error} title="It could not be looked at" />}
      {tried.data && <Tried tried={tried.data} />}
    </Stack>
  )
}

function Tried({ tried: x }: { tried: Schema<'TextTried'> }) {
  const kinds = [...new Set((x.places ?? []).map((p) => p.kind))]
  return (
    <Stack role="status" gap="sm">
      <Text size="sm">
        {kinds.length === 0 ? 'No key or password, and no personal data.' : `It holds ${kinds.join(', ')}.`}{' '}
        {x.injection
          ? `It looks like an attempt to take the model over (${x.why}).`
          : 'It does not look like an attempt to take the model over.'}
      </Text>
      {kinds.length > 0 && (
        <Alert variant="outline" color="gray" title="A model that must not see it would get">
          <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {x.masked}
          </Code>
        </Alert>
      )}
    </Stack>
  )
}
