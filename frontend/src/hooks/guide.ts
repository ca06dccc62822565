const key = 'corral-no-guide'

/** Whether who sits at this browser wants no guide at the start. */
export function wantsNoGuide(): boolean {
  try {
    return localStorage.getItem(key) !== null
  } catch {
    return true // a browser that keeps nothing would show it for ever
  }
}

/** The guide comes by itself no more, in this browser. */
export function refuseGuide() {
  try {
    localStorage.setItem(key, new Date().toISOString())
  } catch {}
}
