import { Alert, Button, Group, List, Modal, Stack, Text } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError } from '../../api/client'
import { Diff } from '../../components/Diff'
import { Answered, Failure } from '../../components/States'
import { applying, type Edit, review } from './queries'

/** Shows what a change would do to corral.yaml, and makes it when that is wanted. */
export function Apply({ title, edits, close }: { title: string; edits: Edit[]; close: () => void }) {
  const queries = useQueryClient()
  const seen = useQuery({ queryKey: ['routing/review', edits], queryFn: () => review(edits), retry: false, gcTime: 0 })
  const apply = useMutation(applying(queries))
  const late = apply.error instanceof ApiError && apply.error.status === 412
  return (
    <Modal opened onClose={close} size="lg" title={<Text fw={650}>{title}</Text>} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Answered query={seen} height={180}>
        {(r) => (
          <Stack>
            <Text size="sm">This is what changes in corral.yaml. Comments and all else in it stay.</Text>
            {r.diff ? <Diff text={r.diff} /> : <Text size="sm">Nothing changes in the file.</Text>}
            {(r.problems?.length ?? 0) > 0 && (
              <Alert color="red" variant="outline" title="It would not be valid" role="alert">
                <List size="sm">
                  {r.problems?.map((p) => (
                    <List.Item key={`${p.field} ${p.message}`}>
                      {p.field && <b>{p.field}: </b>}
                      {p.message}
                    </List.Item>
                  ))}
                </List>
              </Alert>
            )}
            {r.warnings?.map((w) => (
              <Text size="sm" key={`${w.field} ${w.message}`}>
                {w.field}: {w.message}
              </Text>
            ))}
            {r.held?.map((h) => (
              <Text size="sm" key={h}>
                {h}
              </Text>
            ))}
            {(r.needs_restart?.length ?? 0) > 0 && <Text size="sm">Waits for a restart of Corral: {r.needs_restart?.join(', ')}.</Text>}
            {apply.error && <Failure error={apply.error} retry={late ? () => void seen.refetch().then(() => apply.reset()) : undefined} />}
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Leave it as it is
              </Button>
              <Button
                data-autofocus
                disabled={!r.valid || r.diff === ''}
                loading={apply.isPending}
                onClick={() => apply.mutate({ edits, revision: r.revision }, { onSuccess: close })}
              >
                Apply
              </Button>
            </Group>
          </Stack>
        )}
      </Answered>
    </Modal>
  )
}
