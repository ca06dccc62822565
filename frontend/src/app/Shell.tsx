import {
  ActionIcon,
  AppShell,
  Burger,
  Container,
  Group,
  NavLink,
  Text,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
  VisuallyHidden,
} from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { Spotlight, spotlight } from '@mantine/spotlight'
import { IconMoon, IconSearch, IconSun } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { Link, Outlet, useLocation, useNavigate } from 'react-router'
import { recentCalls } from '../api/calls'
import { feed } from '../api/events'
import { leaving, logOut, sessionQuery } from '../api/session'
import { useFeedState } from '../hooks/useFeedState'
import { Away } from './Away'
import { keepFresh } from './live'
import { pages } from './pages'
import classes from './Shell.module.css'
import { useFirstSteps } from './useFirstSteps'

const feedWords = { connecting: 'Connecting', live: 'Live', away: 'No connection' } as const

/** What stands around every page: the menu, the command palette, the switch of colours, and whether the page is live. */
export function Shell() {
  const [open, menu] = useDisclosure()
  const queries = useQueryClient()
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const state = useFeedState()
  useFirstSteps()
  const page = pages.find((p) => p.path === pathname)
  const main = useRef<HTMLElement>(null)
  const shown = useRef(pathname)

  useEffect(() => {
    let ends: (() => void)[] = []
    const stop = () => {
      feed.stop()
      for (const end of ends) end()
      ends = []
    }
    const start = () => {
      stop()
      ends = [recentCalls.follow(feed), keepFresh(queries, feed)]
      feed.start()
    }
    const quiet = () => {
      stop()
      void queries.cancelQueries()
    }
    leaving.addEventListener('begin', quiet)
    leaving.addEventListener('stay', start)
    start()
    return () => {
      leaving.removeEventListener('begin', quiet)
      leaving.removeEventListener('stay', start)
      stop()
    }
  }, [queries])

  useEffect(() => {
    document.title = page ? `${page.title} · Corral` : 'Corral'
    // Who reads the page with a keyboard or aloud goes on at the new page, not in the menu.
    if (shown.current !== pathname) main.current?.focus({ preventScroll: true })
    shown.current = pathname
  }, [page, pathname])

  const other = scheme === 'dark' ? 'light' : 'dark'
  const toggle = () => setColorScheme(other)
  const leave = async () => {
    await logOut()
    await queries.invalidateQueries({ queryKey: sessionQuery.queryKey })
  }

  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 210, breakpoint: 'sm', collapsed: { mobile: !open } }}
      padding={{ base: 'sm', sm: 'md' }}
    >
      <a href="#main" className={classes.skip}>
        To the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={open}
              onClick={menu.toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={open ? 'Close the menu' : 'Open the menu'}
              aria-expanded={open}
            />
            <img src="/ui/icon.svg" alt="" width={26} height={26} />
            <Text fw={700} size="lg">
              Corral
            </Text>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <Group gap={6} wrap="nowrap" role="status">
              <span className={classes.dot} data-state={state} aria-hidden />
              <Text size="sm" visibleFrom="xs">
                {feedWords[state]}
              </Text>
              <VisuallyHidden hiddenFrom="xs">{feedWords[state]}</VisuallyHidden>
            </Group>
            <UnstyledButton
              className={classes.search}
              onClick={spotlight.open}
              aria-label="Commands and pages"
              aria-keyshortcuts="Control+K"
            >
              <IconSearch size={16} aria-hidden />
              <Text size="sm" visibleFrom="sm" span c="dimmed">
                Go to… <kbd>Ctrl K</kbd>
              </Text>
            </UnstyledButton>
            <Tooltip label={`Show it ${other}`}>
              <ActionIcon variant="default" size="lg" onClick={toggle} aria-label={`Show it ${other}`}>
                {scheme === 'dark' ? <IconSun size={18} aria-hidden /> : <IconMoon size={18} aria-hidden />}
              </ActionIcon>
            </Tooltip>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        {pages.map((p) => (
          <NavLink
            key={p.path}
            component={Link}
            to={p.path}
            label={p.title}
            leftSection={<p.icon size={18} aria-hidden />}
            active={p === page}
            aria-current={p === page ? 'page' : undefined}
            variant="subtle"
            className={classes.link}
            onClick={menu.close}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1} className={classes.main}>
        <Container size={1400} p={0}>
          <Away />
          <Outlet />
        </Container>
      </AppShell.Main>
      <Spotlight
        shortcut="mod + K"
        nothingFound="Nothing by that name"
        searchProps={{
          placeholder: 'A page or a command',
          'aria-label': 'A page or a command',
          leftSection: <IconSearch size={18} aria-hidden />,
        }}
        actions={[
          ...pages.map((p) => ({
            id: p.path,
            label: p.title,
            description: p.about,
            leftSection: <p.icon size={20} aria-hidden />,
            onClick: () => void navigate(p.path),
          })),
          {
            id: 'failed',
            label: 'Show failed calls',
            description: 'Calls that ended with status 500',
            onClick: () => void navigate('/calls?status=500'),
          },
          {
            id: 'verify',
            label: 'Verify the ledger',
            description: 'Whether its entries are what was written',
            onClick: () => void navigate('/audit'),
          },
          {
            id: 'config',
            label: 'Edit corral.yaml',
            description: 'With what is wrong beside its lines',
            onClick: () => void navigate('/settings?part=file'),
          },
          { id: 'keys', label: 'Make a key for an app', description: 'Or revoke one', onClick: () => void navigate('/settings?part=keys') },
          { id: 'out', label: 'Log out', description: 'This browser; corral ui logs it in again', onClick: () => void leave() },
          { id: 'colours', label: `Show it ${other}`, description: 'Dark or light', onClick: toggle },
          {
            id: 'system',
            label: 'Colours of the system',
            description: 'Dark or light as the rest of this machine',
            onClick: () => setColorScheme('auto'),
          },
        ]}
      />
    </AppShell>
  )
}
