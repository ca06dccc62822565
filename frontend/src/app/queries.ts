import { QueryCache, QueryClient } from '@tanstack/react-query'
import { ApiError } from '../api/client'
import { sessionQuery } from '../api/session'

/** The answers that the page holds. After one that says "not logged in" the session is looked at, and the page says what to do. */
export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ApiError && error.status === 401) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
})
