import { ScrollArea, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Markdown } from '../../components/Markdown'
import { Section } from '../../components/Section'
import { Answered } from '../../components/States'
import { aboutQuery } from './queries'
import classes from './Settings.module.css'

/** What this program was made from, as it says itself. */
export function Origin() {
  const about = useQuery(aboutQuery)
  return (
    <Section title="Made from">
      <Answered query={about} height={320}>
        {(o) => (
          <Stack>
            <dl className={classes.facts}>
              <dt>Go</dt>
              <dd>
                {o.go}, {o.platform}
              </dd>
              {o.commit && (
                <>
                  <dt>Commit</dt>
                  <dd>{o.commit}</dd>
                </>
              )}
            </dl>
            {(o.modules?.length ?? 0) > 0 && (
              <>
                <Text size="sm" c="dimmed">
                  The Go libraries in this program. A licence is named where its text stands in the library’s own licence files; one library
                  may hold several.
                </Text>
                <ScrollArea h={320} type="auto" viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': 'Libraries' }}>
                  <Table stickyHeader>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>Library</Table.Th>
                        <Table.Th>Version</Table.Th>
                        <Table.Th>Licence</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {o.modules?.map((m) => (
                        <Table.Tr key={m.path}>
                          <Table.Td style={{ overflowWrap: 'anywhere' }}>{m.path}</Table.Td>
                          <Table.Td style={{ overflowWrap: 'anywhere' }}>{m.version}</Table.Td>
                          <Table.Td>{m.licence ?? 'not looked at'}</Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </ScrollArea>
              </>
            )}
            {o.trained && (
              <ScrollArea
                h={200}
                type="auto"
                viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': 'What the guard was trained on' }}
              >
                <Markdown text={o.trained} />
              </ScrollArea>
            )}
          </Stack>
        )}
      </Answered>
    </Section>
  )
}
