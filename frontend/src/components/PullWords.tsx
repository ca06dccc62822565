import { Text, VisuallyHidden } from '@mantine/core'
import { isOver, type Pull, words } from './pulls'

/** How far a pull is. Its bytes change several times a second: only how it stands is read out. */
export function PullWords({ pull }: { pull: Pull }) {
  return (
    <>
      <Text size="sm" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {words(pull)}
      </Text>
      <VisuallyHidden aria-live="polite">{`${pull.model} ${isOver(pull) ? `is over: ${pull.state}` : 'is on its way'}`}</VisuallyHidden>
    </>
  )
}
