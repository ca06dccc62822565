import { type CSSVariablesResolver, createTheme, Drawer, Modal } from '@mantine/core'

// The head of a dialog is no banner of the page, which <header> would make it.
const plainHead = { attributes: { header: { role: 'presentation' } } }

export const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: { light: 9, dark: 9 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Drawer: Drawer.extend({ defaultProps: plainHead }),
    Modal: Modal.extend({ defaultProps: plainHead }),
  },
})

/** Colours with enough contrast for small text (4.5) and for signs and lines (3), in both schemes. */
export const resolver: CSSVariablesResolver = () => ({
  // Under the pointer a button becomes darker: the lighter one that Mantine takes has 4.4.
  variables: { '--mantine-primary-color-filled-hover': '#095c6b', '--mantine-color-cyan-filled-hover': '#095c6b' },
  light: {
    '--mantine-color-dimmed': '#5c636a',
    '--mantine-color-placeholder': '#6c737a',
    '--mantine-color-error': '#c92a2a',
    '--corral-ok': '#2b8a3e',
    '--corral-notice': '#1864ab',
    '--corral-warning': '#c15a00',
    '--corral-critical': '#c92a2a',
    '--corral-line': '#0b7285',
  },
  dark: {
    '--mantine-color-dimmed': '#a6abb1',
    '--mantine-color-placeholder': '#9a9fa5',
    '--mantine-color-anchor': '#66d9e8',
    '--corral-ok': '#69db7c',
    '--corral-notice': '#74c0fc',
    '--corral-warning': '#ffa94d',
    '--corral-critical': '#ff8787',
    '--corral-line': '#3bc9db',
  },
})
