import { Stack, Text, Title, VisuallyHidden } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Section } from '../../components/Section'
import { Answered } from '../../components/States'
import { Apply } from './Apply'
import { Chains } from './Chains'
import { Explain } from './Explain'
import { Outages } from './Outages'
import { Providers } from './Providers'
import { configQuery, type Edit, routes } from './queries'

/** A change to corral.yaml that waits for its review. */
export interface Change {
  title: string
  edits: Edit[]
}

/** Where calls go: model servers, names and their targets, what would happen to a call, and a way to try it. */
export function Page() {
  const file = useQuery(configQuery)
  const [change, propose] = useState<Change>()
  const [said, say] = useState('')
  return (
    <Stack>
      <Title order={1} size="h2">
        Routing
      </Title>
      <VisuallyHidden role="status" aria-live="polite">
        {said}
      </VisuallyHidden>
      <Answered query={file} height={420}>
        {(f) => {
          const { providers, models } = routes(f)
          return (
            <>
              {!f.writable && (
                <Text size="sm" role="status">
                  The config cannot be changed here: {f.why}
                </Text>
              )}
              <Providers providers={providers} models={models} writable={f.writable} propose={propose} />
              <Chains models={models} providers={providers} writable={f.writable} propose={propose} say={say} />
              <Section title="What would happen to a call">
                <Explain names={models.map((m) => m.name)} />
              </Section>
              <Section title="Try an outage">
                <Outages models={models} providers={providers} />
              </Section>
            </>
          )
        }}
      </Answered>
      {change && <Apply {...change} close={() => propose(undefined)} />}
    </Stack>
  )
}
