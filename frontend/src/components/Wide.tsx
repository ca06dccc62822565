import type { ReactNode } from 'react'

/** What may be wider than the window, such as a table: it scrolls by itself, also with the keyboard. Sizes in pixels. */
export function Wide({ label, least, most, children }: { label: string; least: number; most?: number; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reached with the keyboard
    // biome-ignore lint/a11y/useSemanticElements: it is no set of fields
    <div tabIndex={0} role="group" aria-label={label} style={{ overflow: 'auto', maxHeight: most }}>
      <div style={{ minWidth: least }}>{children}</div>
    </div>
  )
}
