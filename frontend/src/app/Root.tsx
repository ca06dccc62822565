import { Center, Loader } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { sessionQuery } from '../api/session'
import { Shell } from './Shell'
import { SignedOut } from './SignedOut'
import { useWindow } from './useWindow'

/** The page for those who are logged in; for others what to do. */
export function Root() {
  const queries = useQueryClient()
  const session = useQuery(sessionQuery)
  const entering = useWindow(session.data?.authenticated)
  useEffect(() => {
    if (session.data?.authenticated === false) queries.removeQueries({ predicate: (q) => q.queryKey[0] !== sessionQuery.queryKey[0] })
  }, [session.data, queries])
  if (session.data?.authenticated) return <Shell />
  if (session.isPending || entering) {
    return (
      <Center h="100vh" role="status" aria-label="Loading">
        <Loader color="var(--corral-line)" />
      </Center>
    )
  }
  return <SignedOut error={session.error} retry={() => void session.refetch()} busy={session.isFetching} />
}
