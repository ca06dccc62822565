import { Stack, Tabs, Title } from '@mantine/core'
import { useSearchParams } from 'react-router'
import { Common } from './Common'
import { File } from './File'
import { Guard } from './Guard'
import { Keys } from './Keys'
import { This } from './This'

const parts = [
  { value: 'common', title: 'Common', Part: Common },
  { value: 'file', title: 'Config file', Part: File },
  { value: 'guard', title: 'Guard', Part: Guard },
  { value: 'keys', title: 'App keys', Part: Keys },
  { value: 'about', title: 'This Corral', Part: This },
]

/** What can be set, and by whom apps are let in. */
export function Page() {
  const [params, setParams] = useSearchParams()
  const part = parts.find((p) => p.value === params.get('part')) ?? parts[0]
  return (
    <Stack>
      <Title order={1} size="h2">
        Settings
      </Title>
      <Tabs value={part?.value} onChange={(v) => setParams(v && v !== 'common' ? { part: v } : {}, { replace: true })} keepMounted={false}>
        <Tabs.List mb="md">
          {parts.map((p) => (
            <Tabs.Tab key={p.value} value={p.value}>
              {p.title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {parts.map(({ value, Part }) => (
          <Tabs.Panel key={value} value={value}>
            <Part />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Stack>
  )
}
