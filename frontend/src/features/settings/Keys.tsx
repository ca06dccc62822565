import { Alert, Button, Group, Select, Stack, Table, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { Question } from '../../components/Question'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command, Empty, Failure } from '../../components/States'
import { When } from '../../components/When'
import { Wide } from '../../components/Wide'
import { keysQuery, making, revoking, statusQuery } from './queries'

const lifetimes = [
  { value: '0', label: 'never' },
  { value: '30', label: 'after 30 days' },
  { value: '90', label: 'after 90 days' },
  { value: '365', label: 'after a year' },
]

/** The keys of apps: made, shown once, ended. */
export function Keys() {
  const queries = useQueryClient()
  const keys = useQuery(keysQuery)
  const status = useQuery(statusQuery)
  const make = useMutation(making(queries))
  const revoke = useMutation(revoking(queries))
  const [name, setName] = useState('')
  const [days, setDays] = useState('0')
  const [ending, end] = useState<Schema<'KeysKey'>>()
  return (
    <Section title="App keys">
      <Stack>
        {status.data?.auth === 'none' && (
          <Text size="sm" c="dimmed">
            Nobody is asked for a key now: with <code>auth: required</code> in corral.yaml every app must show one. A key that is shown is
            used already, so that calls and budgets can be told apart by it.
          </Text>
        )}
        <form
          onSubmit={(e) => {
            e.preventDefault()
            if (name.trim()) make.mutate({ name: name.trim(), days: Number(days) || undefined }, { onSuccess: () => setName('') })
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput
              label="Whose key"
              placeholder="an app’s name"
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              maxLength={100}
              autoComplete="off"
              style={{ flex: '1 1 180px', maxWidth: 320 }}
            />
            <Select label="It ends" data={lifetimes} value={days} onChange={(v) => setDays(v ?? '0')} allowDeselect={false} w={150} />
            <Button type="submit" disabled={!name.trim()} loading={make.isPending}>
              Make a key
            </Button>
          </Group>
        </form>
        {make.error && <Failure error={make.error} title="No key was made" />}
        {make.data && (
          <Alert
            color="var(--corral-ok)"
            variant="outline"
            styles={{ label: { color: 'var(--mantine-color-text)' } }}
            title={`The key of ${make.data.key.name}`}
            role="status"
            withCloseButton
            onClose={() => make.reset()}
            closeButtonLabel="I have it"
          >
            <Text size="sm" mb="xs">
              It is shown this once. Copy it now, and give it to the app as its API key.
            </Text>
            <Command text={make.data.secret} />
          </Alert>
        )}
        <Answered query={keys} height={120}>
          {(list) =>
            (list.keys?.length ?? 0) === 0 ? (
              <Empty title="There is no key">Make one for each app, and its calls, costs and budgets are its own.</Empty>
            ) : (
              <Wide label="App keys" least={620}>
                <Table verticalSpacing={6}>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th scope="col">Name</Table.Th>
                      <Table.Th scope="col">Key</Table.Th>
                      <Table.Th scope="col">Made</Table.Th>
                      <Table.Th scope="col">Last used</Table.Th>
                      <Table.Th scope="col">State</Table.Th>
                      <Table.Th scope="col">Revoke</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {list.keys?.map((k) => (
                      <Table.Tr key={k.id}>
                        <Table.Th scope="row" fw={500} style={{ overflowWrap: 'anywhere' }}>
                          {k.name}
                        </Table.Th>
                        <Table.Td>
                          <code>{k.hint}</code>
                        </Table.Td>
                        <Table.Td>
                          <When at={k.created} />
                        </Table.Td>
                        <Table.Td>{k.last_used ? <When at={k.last_used} /> : 'never'}</Table.Td>
                        <Table.Td>{state(k)}</Table.Td>
                        <Table.Td ta="right">
                          {!k.disabled && (
                            <Button
                              size="compact-xs"
                              variant="default"
                              aria-label={`Revoke the key of ${k.name}`}
                              onClick={() => {
                                revoke.reset()
                                end(k)
                              }}
                            >
                              Revoke…
                            </Button>
                          )}
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Wide>
            )
          }
        </Answered>
      </Stack>
      <Question
        opened={ending !== undefined}
        close={() => end(undefined)}
        title="Revoke this key?"
        yes="Revoke"
        no="Keep it"
        forGood
        busy={revoke.isPending}
        error={revoke.error}
        act={() => ending && revoke.mutate(ending.id, { onSuccess: () => end(undefined) })}
      >
        <Text>
          The app that uses the key of {ending?.name} is refused from its next call on. This cannot be undone; a new key can be made.
        </Text>
      </Question>
    </Section>
  )
}

function state(k: Schema<'KeysKey'>) {
  if (k.disabled) return <Severity level="absent" word="revoked" />
  if (k.expires && Date.parse(k.expires) > 0) {
    return Date.parse(k.expires) < Date.now() ? <Severity level="warning" word="has ended" /> : <Severity level="ok" word="in use, ends" />
  }
  return <Severity level="ok" word="in use" />
}
