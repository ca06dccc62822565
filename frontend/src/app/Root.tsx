import { Center, Loader } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { leaving, sessionQuery } from '../api/session'
import { Shell } from './Shell'
import { SignedOut } from './SignedOut'
import { useWindow } from './useWindow'

/** The page for those who are logged in; for others what to do. */
export function Root() {
  const queries = useQueryClient()
  const session = useQuery(sessionQuery)
  const entering = useWindow(session.data?.authenticated)
  const [stays, stay] = useState(false) // what is shown, while the window logs it in again after a restart of Corral
  useEffect(() => {
    const left = () => stay(false)
    leaving.addEventListener('leave', left)
    return () => leaving.removeEventListener('leave', left)
  }, [])
  useEffect(() => {
    if (session.data?.authenticated) stay(true)
    else if (session.data && !entering) stay(false)
    if (session.data?.authenticated === false && !entering)
      queries.removeQueries({ predicate: (q) => q.queryKey[0] !== sessionQuery.queryKey[0] })
  }, [session.data, entering, queries])
  if (session.data?.authenticated || (stays && entering)) return <Shell />
  if (session.isPending || entering) {
    return (
      <Center h="100vh" role="status" aria-label="Loading">
        <Loader color="var(--corral-line)" />
      </Center>
    )
  }
  return <SignedOut error={session.error} retry={() => void session.refetch()} busy={session.isFetching} />
}
