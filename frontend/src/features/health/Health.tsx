import { Accordion, Group, List, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Schema } from '../../api/client'
import { Section } from '../../components/Section'
import { Severity } from '../../components/Severity'
import { Answered, Command, Empty } from '../../components/States'
import { When } from '../../components/When'
import { sorted } from './conditions'
import classes from './Health.module.css'
import { healthQuery } from './queries'

type Condition = Schema<'Condition'>

/** Every condition, the worst first, with what mends it. */
export function Page() {
  const health = useQuery(healthQuery)
  return (
    <Stack>
      <Title order={1} size="h2">
        Health
      </Title>
      <Answered query={health} height={420}>
        {(data) => {
          const { bad, well, unseen } = sorted(data.conditions ?? [])
          return (
            <Stack>
              <Section title="What needs you">
                {bad.length === 0 ? (
                  <Empty title="Nothing">All that Corral can see is well.</Empty>
                ) : (
                  <Stack component="ul" gap="md" className={classes.list}>
                    {bad.map((c) => (
                      <Bad key={name(c)} condition={c} />
                    ))}
                  </Stack>
                )}
                {(data.actions?.length ?? 0) > 0 && (
                  <>
                    <Text size="sm" fw={600} mt="md">
                      What Corral does about it
                    </Text>
                    <List size="sm">
                      {data.actions?.map((a) => (
                        <List.Item key={a}>{a}</List.Item>
                      ))}
                    </List>
                  </>
                )}
              </Section>
              <Section title={`What is well (${well.length})`}>
                <ul className={classes.grid}>
                  {well.map((c) => (
                    <li key={name(c)}>
                      <Severity level="ok" word={title(c)} />
                      <Text size="sm" c="dimmed" pl={24} className={classes.text}>
                        {c.text}
                      </Text>
                    </li>
                  ))}
                </ul>
              </Section>
              {unseen.length > 0 && (
                <Accordion variant="contained" order={2}>
                  <Accordion.Item value="unseen">
                    <Accordion.Control>What cannot be seen here ({unseen.length})</Accordion.Control>
                    <Accordion.Panel>
                      <ul className={classes.grid}>
                        {unseen.map((c) => (
                          <li key={name(c)}>
                            <Severity level="absent" word={title(c)} />
                            <Text size="sm" c="dimmed" pl={24} className={classes.text}>
                              {c.absent}
                            </Text>
                          </li>
                        ))}
                      </ul>
                    </Accordion.Panel>
                  </Accordion.Item>
                </Accordion>
              )}
            </Stack>
          )
        }}
      </Answered>
    </Stack>
  )
}

const name = (c: Condition) => `${c.code} ${c.subject ?? ''}`
const title = (c: Condition) => (c.subject ? `${c.title}: ${c.subject}` : c.title)

function Bad({ condition: c }: { condition: Condition }) {
  return (
    <li className={classes.bad} data-severity={c.severity}>
      <Group justify="space-between" gap="xs">
        <Text fw={600} className={classes.text}>
          {title(c)}
        </Text>
        <Severity level={c.severity} />
      </Group>
      <Text size="sm" className={classes.text}>
        {c.text}
      </Text>
      <Text size="xs" c="dimmed">
        since <When at={c.since} />
        {c.depends_on && `, and it depends on ${c.depends_on}`}
      </Text>
      {c.do && (
        <Stack gap={4} mt="xs">
          <Text size="sm" fw={500}>
            What mends it
          </Text>
          <Command text={c.do} />
        </Stack>
      )}
    </li>
  )
}
