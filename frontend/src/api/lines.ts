/**
 * The values of an answer that is one JSON object a line, each as soon as its line is there. A last line without an end is
 * read too; one that is no JSON is an error, for then the answer broke off.
 */
export async function* lines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true })
      const parts = rest.split('\n')
      rest = done ? '' : (parts.pop() ?? '')
      for (const line of parts) if (line.trim()) yield JSON.parse(line) as T
      if (done) return
    }
  } finally {
    await reader.cancel().catch(() => {}) // who stops reading wants no more of it
  }
}
