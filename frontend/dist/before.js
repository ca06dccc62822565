// Runs before the page is drawn.
// The chosen colours, so that nothing flashes (the key is Mantine's).
try {
  const chosen = localStorage.getItem('mantine-color-scheme-value')
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
} catch {}
// Under LANG=C WebKit says that the language is "C", at which Intl throws.
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en' })
  Object.defineProperty(navigator, 'languages', { value: ['en'] })
}
