import {
  Alert,
  Button,
  Code,
  Drawer,
  Group,
  Modal,
  Select,
  SimpleGrid,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
  UnstyledButton,
} from '@mantine/core'
import { useDebouncedValue, useDisclosure } from '@mantine/hooks'
import { IconTrash } from '@tabler/icons-react'
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schema } from '../../api/client'
import { bytes, count, counted, duration, exactUsd, percent, tokens, usd } from '../../components/format'
import { Section } from '../../components/Section'
import { Stat } from '../../components/Stat'
import { Answered, Empty, Failure } from '../../components/States'
import { When } from '../../components/When'
import { Wide } from '../../components/Wide'
import classes from './Cache.module.css'
import { clearing, itemQuery, itemsQuery, keysQuery, most, statsQuery } from './queries'

const ages = [
  { value: '1h', label: 'older than an hour' },
  { value: '24h', label: 'older than a day' },
  { value: '168h', label: 'older than a week' },
]

/** The kept answers, what they save, and a way to remove them. */
export function Page() {
  const stats = useQuery(statsQuery)
  const [typed, setTyped] = useState('')
  const [model] = useDebouncedValue(typed.trim(), 300)
  const [caller, setCaller] = useState('')
  const [older, setOlder] = useState('')
  const keys = useQuery(keysQuery)
  const choice = { model, caller, older }
  const some = model !== '' || caller !== '' || older !== ''
  const items = useQuery({ ...itemsQuery(choice), placeholderData: keepPreviousData })
  const [asked, confirm] = useDisclosure()
  const [shown, setShown] = useState('')
  const clear = useMutation(clearing(useQueryClient()))
  const key = keys.data?.keys?.find((k) => k.id === caller)?.name
  const of = `${model ? ` of ${model}` : ''}${caller ? ` for ${key ?? caller}` : ''}${older ? ` that ${items.data?.all === 1 ? 'is' : 'are'} ${ages.find((a) => a.value === older)?.label}` : ''}`

  return (
    <Stack>
      <Title order={1} size="h2">
        Cache
      </Title>
      <Answered query={stats} height={600}>
        {(s) => <Figures stats={s} />}
      </Answered>
      {/* How high what is above becomes is not known before: until then nothing stands below it that would jump. */}
      {stats.isFetched && (
        <Section
          title="Kept answers"
          right={
            <Button
              color="red"
              variant="filled"
              leftSection={<IconTrash size={16} aria-hidden />}
              disabled={!items.data || items.data.all === 0}
              onClick={() => {
                clear.reset()
                confirm.open()
              }}
            >
              Remove {some ? 'these' : 'all'}
            </Button>
          }
        >
          <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm" mb="sm">
            <TextInput
              label="Model"
              placeholder="all, or such as llama3*"
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
            <Select
              label="Key"
              placeholder={keys.data && !keys.data.keys?.length ? 'there is none' : 'any'}
              data={(keys.data?.keys ?? []).map((k) => ({ value: k.id, label: k.name }))}
              value={caller || null}
              onChange={(v) => setCaller(v ?? '')}
              disabled={!keys.data?.keys?.length}
              clearable
            />
            <Select label="Age" placeholder="any" data={ages} value={older || null} onChange={(v) => setOlder(v ?? '')} clearable />
          </SimpleGrid>
          {clear.isSuccess && (
            <Text role="status" size="sm" mb="sm">
              {clear.data === 1 ? 'One answer was removed.' : `${count(clear.data)} answers were removed.`}
            </Text>
          )}
          <Answered query={items} height={200}>
            {(list) =>
              (list.items?.length ?? 0) === 0 ? (
                some ? (
                  <Empty title="No kept answer is like that" />
                ) : (
                  <Empty title="No answer is kept">
                    Answers are kept where the same question gives the same answer: at temperature 0 or with a seed. <Code>cache</Code> in
                    corral.yaml says for how long.
                  </Empty>
                )
              ) : (
                <Items items={list.items ?? []} all={list.all} show={setShown} />
              )
            }
          </Answered>
        </Section>
      )}
      <Modal
        opened={asked}
        onClose={confirm.close}
        title={<Text fw={650}>Remove kept answers?</Text>}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack>
          <Text>
            {counted(items.data?.all ?? 0, 'kept answer')}
            {of} {items.data?.all === 1 ? 'is' : 'are'} removed from memory and disk. The next calls for them ask the model again.
          </Text>
          {clear.error && <Failure error={clear.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={confirm.close} data-autofocus>
              Keep them
            </Button>
            <Button color="red" loading={clear.isPending} onClick={() => clear.mutate(choice, { onSuccess: confirm.close })}>
              Remove
            </Button>
          </Group>
        </Stack>
      </Modal>
      <Drawer
        opened={shown !== ''}
        onClose={() => setShown('')}
        position="right"
        size="lg"
        title={<Text fw={650}>Kept answer</Text>}
        closeButtonProps={{ 'aria-label': 'Close the answer' }}
      >
        {shown && <Item id={shown} />}
      </Drawer>
    </Stack>
  )
}

function Figures({ stats: s }: { stats: Schema<'CacheStats'> }) {
  const hits = s.memory_hits + s.file_hits + s.flight_hits + s.similar_hits
  return (
    <>
      {s.file?.Off && (
        <Alert color="orange" variant="outline" title="Answers are not kept on disk">
          {s.file.Off}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
        <Stat
          label="Answered from the cache"
          value={percent(s.lookups > 0 ? s.hit_rate : null)}
          note={`${count(hits)} of ${count(s.lookups)} that could be, since the start`}
        />
        <Stat
          label="By"
          value={count(hits)}
          note={`${count(s.memory_hits)} memory, ${count(s.file_hits)} disk, ${count(s.flight_hits)} shared, ${count(s.similar_hits)} alike`}
        />
        <Stat
          label="Saved since the start"
          value={usd(s.saved_nano_usd)}
          title={exactUsd(s.saved_nano_usd)}
          note={`${counted(s.saved_tokens, 'token')}, ${duration(s.saved_seconds * 1000)} of waiting`}
        />
        <Stat
          label="In memory"
          value={count(s.entries)}
          note={`${bytes(s.bytes)} of ${bytes(s.max_bytes)}${s.file ? `; ${count(s.file.Entries)} on disk` : ''}`}
        />
      </SimpleGrid>
    </>
  )
}

function Items({ items, all, show }: { items: readonly Schema<'CacheItem'>[]; all: number; show: (id: string) => void }) {
  return (
    <>
      <Wide label="Kept answers" least={640} most={560}>
        <Table verticalSpacing={6} stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Model</Table.Th>
              <Table.Th scope="col">Kept</Table.Th>
              <Table.Th scope="col">Until</Table.Th>
              <Table.Th scope="col" ta="right">
                Size
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Tokens
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Took
              </Table.Th>
              <Table.Th scope="col">Where</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((it) => (
              <Table.Tr key={it.id}>
                <Table.Td style={{ overflowWrap: 'anywhere' }}>
                  <UnstyledButton
                    className={classes.open}
                    onClick={() => show(it.id)}
                    aria-label={`Show the answer of ${it.asked}, ${it.id.slice(0, 8)}`}
                  >
                    {it.asked}
                  </UnstyledButton>
                  <Text size="xs" c="dimmed">
                    {it.endpoint}, {it.id.slice(0, 8)}
                  </Text>
                </Table.Td>
                <Table.Td>
                  <When at={it.stored} />
                </Table.Td>
                <Table.Td>
                  <When at={it.expires} />
                </Table.Td>
                <Table.Td ta="right">{bytes(it.bytes)}</Table.Td>
                <Table.Td ta="right">{tokens(it.tokens || undefined)}</Table.Td>
                <Table.Td ta="right">{duration(it.took_ms)}</Table.Td>
                <Table.Td>{it.tier === 'file' ? 'disk' : 'memory'}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      {all > items.length && (
        <Text size="sm" c="dimmed" mt="xs">
          The newest {most} of {count(all)}. <code>corral cache list</code> shows them all.
        </Text>
      )}
    </>
  )
}

function Item({ id }: { id: string }) {
  const item = useQuery(itemQuery(id))
  return (
    <Answered query={item} height={300}>
      {(it) => (
        <Stack>
          {it.question && (
            <section aria-label="Question">
              <Title order={2} size="h5" mb={4}>
                Question
              </Title>
              <Code block tabIndex={0} className={classes.text}>
                {it.question}
              </Code>
            </section>
          )}
          <section aria-label="Answer">
            <Title order={2} size="h5" mb={4}>
              Answer
            </Title>
            <Code block tabIndex={0} className={classes.text}>
              {it.answer}
            </Code>
          </section>
        </Stack>
      )}
    </Answered>
  )
}
