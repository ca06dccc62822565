import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useNavigate } from 'react-router'
import { desktop } from '../api/desktop'
import { feed } from '../api/events'
import { logIn } from '../api/session'

/** Milliseconds that the window has to log the page in, before the page says how a person does. */
const patience = 10_000

/**
 * Goes along with the window program, where the page is in one: says that it is ready and whether it is live, takes a login after
 * the daemon's restart, goes where the native menu points, and has links to elsewhere opened in the browser. It returns whether the
 * window is about to log the page in.
 */
export function useWindow(authenticated: boolean | undefined) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [late, setLate] = useState(false)
  const told = useRef(false)

  useEffect(() => {
    if (!desktop.there) return
    const takes = (event: Event) => {
      event.preventDefault() // or the window loads the page anew
      const { detail } = event as CustomEvent<string>
      void logIn(detail)
        .then(() => queries.invalidateQueries())
        .then(() => feed.again())
        .catch(() => desktop.tell('login')) // too old by now, perhaps
    }
    const goes = (event: Event) => void navigate((event as CustomEvent<string>).detail)
    const clicked = (event: MouseEvent) => {
      const link = (event.target as Element | null)?.closest?.('a[href]')
      if (!(link instanceof HTMLAnchorElement) || link.origin === window.location.origin) return
      event.preventDefault()
      desktop.tell('open', link.href)
    }
    const ends = [feed.watch(() => desktop.tell('feed', feed.current()))]
    window.addEventListener('corral:login', takes)
    window.addEventListener('corral:go', goes)
    document.addEventListener('click', clicked)
    return () => {
      window.removeEventListener('corral:login', takes)
      window.removeEventListener('corral:go', goes)
      document.removeEventListener('click', clicked)
      for (const end of ends) end()
    }
  }, [queries, navigate])

  useEffect(() => {
    if (!desktop.there || authenticated === undefined) return
    setLate(false)
    if (authenticated) {
      if (!told.current) desktop.tell('ready', document.title)
      told.current = true
      return
    }
    desktop.tell('login')
    const timer = setTimeout(() => setLate(true), patience)
    return () => clearTimeout(timer)
  }, [authenticated])
  return desktop.there && authenticated === false && !late
}
