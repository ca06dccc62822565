import { ActionIcon, Button, FileButton, Group, Text, Textarea, Tooltip } from '@mantine/core'
import { IconPhoto, IconPlayerStop, IconSend, IconX } from '@tabler/icons-react'
import { type ClipboardEvent, type KeyboardEvent, useRef, useState } from 'react'
import { conversation, type State } from './conversation'
import classes from './Playground.module.css'

const most = 4
const largest = 8 << 20
const kinds = ['image/png', 'image/jpeg']

/** A picture as a data: address. */
function read(file: File): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader()
    reader.onload = () => done(String(reader.result))
    reader.onerror = () => failed(new Error(`${file.name} cannot be read.`))
    reader.readAsDataURL(file)
  })
}

/** Where the question is written. Enter sends, Shift+Enter begins a line, Escape stops. */
export function Composer({ state, sees, ready }: { state: State; sees: boolean | undefined; ready: boolean }) {
  const [problem, setProblem] = useState('')
  const reset = useRef<() => void>(null)
  const { draft, images, busy } = state

  const attach = async (files: readonly File[]) => {
    setProblem('')
    const fit = files.filter((f) => kinds.includes(f.type) && f.size <= largest).slice(0, most - images.length)
    if (fit.length < files.length) setProblem(`Pictures are PNG or JPEG, of 8 MiB at most, and no more than ${most}.`)
    try {
      const added = await Promise.all(fit.map(read))
      conversation.change({ images: [...conversation.current().images, ...added] })
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    }
    reset.current?.()
  }
  const paste = (e: ClipboardEvent) => {
    const files = [...e.clipboardData.files].filter((f) => f.type.startsWith('image/'))
    if (files.length === 0 || sees === false) return
    e.preventDefault()
    void attach(files)
  }
  const key = (e: KeyboardEvent) => {
    if (e.key !== 'Enter' || e.shiftKey || e.nativeEvent.isComposing) return
    e.preventDefault()
    conversation.sendDraft()
  }
  const nothing = !draft.trim() && images.length === 0

  return (
    <div className={classes.composer}>
      {images.length > 0 && (
        <Group gap="xs" mb="xs">
          {images.map((src, i) => (
            <div key={i} className={classes.attached}>
              <img src={src} alt={`To be sent, ${i + 1}`} className={classes.thumb} />
              <ActionIcon
                size="sm"
                variant="default"
                className={classes.remove}
                aria-label={`Remove picture ${i + 1}`}
                onClick={() => conversation.change({ images: images.filter((_, k) => k !== i) })}
              >
                <IconX size={12} aria-hidden />
              </ActionIcon>
            </div>
          ))}
        </Group>
      )}
      <Group align="flex-end" gap="xs" wrap="nowrap">
        <FileButton resetRef={reset} onChange={(files) => void attach(files)} accept={kinds.join(',')} multiple disabled={sees === false}>
          {(props) => (
            <Tooltip label={sees === false ? 'This model takes no pictures' : 'Attach a picture'}>
              <ActionIcon
                {...props}
                variant="default"
                size={36}
                aria-label="Attach a picture"
                data-disabled={sees === false || undefined}
                aria-disabled={sees === false}
              >
                <IconPhoto size={18} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
        </FileButton>
        <Textarea
          className={classes.input}
          aria-label="Question"
          placeholder="Ask something. Shift+Enter begins a new line."
          value={draft}
          onChange={(e) => conversation.change({ draft: e.currentTarget.value })}
          onKeyDown={key}
          onPaste={paste}
          autosize
          minRows={1}
          maxRows={8}
        />
        {busy ? (
          <Button
            onClick={conversation.stop}
            variant="default"
            leftSection={<IconPlayerStop size={16} aria-hidden />}
            aria-keyshortcuts="Escape"
          >
            Stop
          </Button>
        ) : (
          <Button
            onClick={() => conversation.sendDraft()}
            disabled={nothing || !ready}
            leftSection={<IconSend size={16} aria-hidden />}
            aria-keyshortcuts="Enter"
          >
            Send
          </Button>
        )}
      </Group>
      {problem && (
        <Text size="sm" c="var(--mantine-color-error)" mt={4} role="alert">
          {problem}
        </Text>
      )}
    </div>
  )
}
