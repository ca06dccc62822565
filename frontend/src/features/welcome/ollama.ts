/** Small models that answer on most machines, with what they take on the disk, in bytes (ollama.com/library). */
export const small = [
  { name: 'qwen3:0.6b', size: 523e6, about: 'the smallest; quick everywhere' },
  { name: 'gemma3:1b', size: 815e6, about: 'small, and better at languages' },
  { name: 'llama3.2:1b', size: 1.3e9, about: 'good at short tasks' },
  { name: 'llama3.2:3b', size: 2e9, about: 'for 8 GB of memory and more' },
] as const

/** How Ollama comes onto a machine (ollama.com/download). */
export const ways = {
  Linux: 'curl -fsSL https://ollama.com/install.sh | sh',
  macOS: 'brew install ollama && brew services start ollama',
  Windows: 'winget install Ollama.Ollama',
} as const

export type System = keyof typeof ways

/** The system of this browser; Corral's own is mostly the same. */
export function systemOf(userAgent: string): System {
  if (/Windows/.test(userAgent)) return 'Windows'
  if (/Mac OS X|Macintosh/.test(userAgent)) return 'macOS'
  return 'Linux'
}
