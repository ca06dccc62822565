import { Button, Group, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { bytes, count } from '../../components/format'
import { Question } from '../../components/Question'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command } from '../../components/States'
import { When } from '../../components/When'
import classes from './Audit.module.css'
import { erasing, ledgerQuery, retaining, rotating, type Who } from './queries'
import { entries } from './words'

/** The ledger's keys, and the second places that hold its heads. */
export function KeysAndAnchors() {
  const ledger = useQuery(ledgerQuery)
  const rotate = useMutation(rotating(useQueryClient()))
  const [asked, confirm] = useDisclosure()
  return (
    <Section
      title="Keys and anchors"
      right={
        <Button
          variant="default"
          size="xs"
          onClick={() => {
            rotate.reset()
            confirm.open()
          }}
        >
          Exchange the top key…
        </Button>
      }
    >
      {rotate.isSuccess && (
        <Text role="status" size="sm" mb="sm">
          The top key was exchanged. Make a copy of the new one; backups made before need the old one.
        </Text>
      )}
      <Answered query={ledger} height={220}>
        {(s) => (
          <Stack>
            <dl className={classes.facts}>
              <dt>Public key</dt>
              <dd>
                <Command text={s.public_key} />
              </dd>
              <dt>Top key</dt>
              <dd>{s.top_key}</dd>
              <dt>Signing key</dt>
              <dd>{s.signing_key}</dd>
              <dt>Anchors</dt>
              <dd>
                <Stack gap="xs">
                  {!s.anchors?.length && <Severity level="warning" word="There is none: audit.anchors in corral.yaml names them." />}
                  {s.anchors?.map((a) => (
                    <div key={a.name}>
                      <Severity level={a.error ? 'warning' : 'ok'} word={a.name} />
                      <Text size="xs" c="dimmed" pl={24}>
                        {a.error || (a.size > 0 ? `has seen ${entries(a.size)}` : 'has seen none yet')}
                        {a.time && (
                          <>
                            , <When at={a.time} />
                          </>
                        )}
                      </Text>
                    </div>
                  ))}
                </Stack>
              </dd>
            </dl>
          </Stack>
        )}
      </Answered>
      <Question
        opened={asked}
        close={confirm.close}
        title="Exchange the top key?"
        yes="Exchange it"
        busy={rotate.isPending}
        error={rotate.error}
        act={() => rotate.mutate(undefined, { onSuccess: confirm.close })}
      >
        <Text>
          A new key takes its place while calls go on, and the ledger notes it. Backups made before need the old key: keep it as long as you
          keep them, and make a copy of the new one.
        </Text>
      </Question>
    </Section>
  )
}

const subjects = [
  { value: 'user', label: 'A user (Corral-User)' },
  { value: 'caller', label: 'A key’s calls that name no user' },
  { value: 'app', label: 'An app’s calls that name neither user nor key' },
  { value: 'request', label: 'One call, by its request id' },
]

/** The removal of texts: by age or size as the config says, or because a person asks for it. */
export function Removing({ who, ask }: { who: Who | undefined; ask: (who: Who | undefined) => void }) {
  const queries = useQueryClient()
  const erase = useMutation(erasing(queries))
  const retain = useMutation(retaining(queries))
  const [asked, confirm] = useDisclosure()
  const [subject, setSubject] = useState<keyof Who>('user')
  const [name, setName] = useState('')
  const whom = who ? Object.entries(who)[0] : undefined

  return (
    <Section title="Erase and remove">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Stack gap="xs" align="flex-start" component="section" aria-label="Erase a person">
          <Text size="sm" fw={600}>
            Because a person asks for it
          </Text>
          <Text size="sm" c="dimmed">
            The keys of their entries are destroyed: their texts and names can then be read neither here nor in a backup made later. Numbers
            and hashes stay, and the ledger still verifies. Backups made before still hold them.
          </Text>
          <form
            style={{ width: '100%' }}
            onSubmit={(e) => {
              e.preventDefault()
              erase.reset()
              if (name.trim()) ask({ [subject]: name.trim() })
            }}
          >
            <Group align="flex-end" gap="xs">
              <Select
                label="Whose"
                data={subjects}
                value={subject}
                onChange={(v) => setSubject((v ?? 'user') as keyof Who)}
                allowDeselect={false}
                style={{ flex: '1 1 200px' }}
              />
              <TextInput
                label="Name or id"
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
                style={{ flex: '1 1 140px' }}
                autoComplete="off"
              />
              <Button type="submit" color="red" disabled={!name.trim()}>
                Erase…
              </Button>
            </Group>
          </form>
          {erase.data && (
            <Text role="status" size="sm">
              {erased(erase.data)}
            </Text>
          )}
        </Stack>
        <Stack gap="xs" align="flex-start" component="section" aria-label="Remove what is too old">
          <Text size="sm" fw={600}>
            Because it is too old, or too much
          </Text>
          <Text size="sm" c="dimmed">
            Corral removes what is beyond the limits under <code>audit</code> in corral.yaml at its start and once an hour. Texts go first,
            entries by their own limits; the removal stands in the ledger.
          </Text>
          <Button
            variant="default"
            onClick={() => {
              retain.reset()
              confirm.open()
            }}
          >
            Remove it now…
          </Button>
          {retain.data && (
            <Text role="status" size="sm">
              {retained(retain.data)}
            </Text>
          )}
        </Stack>
      </SimpleGrid>
      <Question
        opened={whom !== undefined}
        close={() => ask(undefined)}
        title="Erase for ever?"
        yes="Erase"
        no="Leave them"
        forGood
        typed={whom?.[1]}
        busy={erase.isPending}
        error={erase.error}
        act={() => {
          if (who)
            erase.mutate(who, {
              onSuccess: () => {
                setName('')
                ask(undefined)
              },
            })
        }}
      >
        <Stack gap="xs">
          <Text>
            {whom?.[0] === 'request'
              ? 'What this call asked and was answered'
              : `The texts and names in all entries of this ${word(whom?.[0])}`}{' '}
            can never be read again. This cannot be undone.
          </Text>
          <Text size="sm" c="dimmed">
            All kept answers of the cache go too, for they may hold the same words. Sums of usage and cost stay, and an entry notes the
            erasure.
          </Text>
        </Stack>
      </Question>
      <Question
        opened={asked}
        close={confirm.close}
        title="Remove what is beyond the limits?"
        yes="Remove"
        forGood
        busy={retain.isPending}
        error={retain.error}
        act={() => retain.mutate(undefined, { onSuccess: confirm.close })}
      >
        <Text>What is older, or more, than the config keeps goes now and not within the hour. This cannot be undone.</Text>
      </Question>
    </Section>
  )
}

const word = (subject: string | undefined) => ({ user: 'user', caller: 'key', app: 'app' })[subject ?? ''] ?? 'call'

function erased(e: Schema<'LedgerErased'>): string {
  return `${e.entries === 1 ? 'One entry was' : `${count(e.entries)} entries were`} erased; entry #${e.seq} notes it.`
}

function retained(r: Schema<'LedgerRetained'>): string {
  if (!r.changed) return 'Nothing was beyond the limits.'
  const shrank =
    r.compacted.after < r.compacted.before ? ` The file shrank from ${bytes(r.compacted.before)} to ${bytes(r.compacted.after)}.` : ''
  return `Gone: texts of entries below #${r.content_below}, entries below #${r.entries_below}.${shrank}`
}
