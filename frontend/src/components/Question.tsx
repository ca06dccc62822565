import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { type ReactNode, useId, useState } from 'react'
import { Failure } from './States'

type Props = {
  opened: boolean
  close: () => void
  title: string
  /** What the button that does it says. */
  yes: string
  /** What the button that leaves all as it is says. */
  no?: string
  /** Whether it cannot be undone. */
  forGood?: boolean
  /** What must be typed before it can be done, for what cannot be undone. */
  typed?: string
  busy: boolean
  error: Error | null
  act: () => void
  children: ReactNode
}

/** Asks before something is done. */
export function Question({ opened, close, title, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={close} title={<Text fw={650}>{title}</Text>} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Asked close={close} {...rest} />
    </Modal>
  )
}

function Asked({ close, yes, no = 'Leave it', forGood, typed, busy, error, act, children }: Omit<Props, 'opened' | 'title'>) {
  const [text, setText] = useState('')
  const id = useId()
  const may = !typed || text.trim() === typed
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        if (may && !busy) act()
      }}
    >
      <Stack>
        <div>{children}</div>
        {typed && (
          <TextInput
            id={id}
            label={
              <>
                Type <b>{typed}</b> to confirm
              </>
            }
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
          />
        )}
        {error && <Failure error={error} title="It was not done" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus={typed ? undefined : true}>
            {no}
          </Button>
          <Button type="submit" color={forGood ? 'red' : undefined} loading={busy} disabled={!may}>
            {yes}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
