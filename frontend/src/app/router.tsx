import { createBrowserRouter } from 'react-router'
import { Broken, NotFound } from './Broken'
import { pages } from './pages'
import { Root } from './Root'

export const router = createBrowserRouter(
  [
    {
      Component: Root,
      ErrorBoundary: Broken,
      HydrateFallback: () => null,
      children: [
        ...pages.map((p) => ({
          path: p.path,
          ErrorBoundary: Broken,
          lazy: async () => ({ Component: (await p.load()).Page }),
        })),
        { path: '*', Component: NotFound },
      ],
    },
  ],
  { basename: '/ui' },
)
