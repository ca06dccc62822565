import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { get } from '../api/query'
import { wantsNoGuide } from '../hooks/guide'

/** Brings who opens the overview of a Corral that nobody has called yet to the guide, once, and unless they wanted none. */
export function useFirstSteps() {
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const asked = useRef(pathname !== '/' || wantsNoGuide())
  const calls = useQuery({ ...get('/control/v1/audit/entries', { calls: true, last: 1 }), enabled: !asked.current })
  useEffect(() => {
    if (asked.current || !calls.data) return
    asked.current = true
    if ((calls.data.entries ?? []).length === 0 && pathname === '/') void navigate('/welcome', { replace: true })
  }, [calls.data, pathname, navigate])
}
