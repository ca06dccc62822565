/** What stands in place of a key that an app has to show. */
const key = 'YOUR_KEY'

/** A word of a command line. */
const word = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)

/**
 * What to write into an app, for each of the APIs that apps speak. runs: the ollama command can run the model; it shows no
 * key, so that it is not let in where keys are required.
 */
export function snippets(address: string, model: string, { runs, keyed }: { runs: boolean; keyed: boolean }) {
  const text = JSON.stringify(model)
  const shown = keyed ? key : 'any'
  const body = `{"model": ${text}, "stream": false, "messages": [{"role": "user", "content": "Hello"}]}`
  const list = [
    {
      name: 'OpenAI',
      text: `from openai import OpenAI\n\nclient = OpenAI(base_url="${address}/v1", api_key="${shown}")\nprint(client.chat.completions.create(\n    model=${text},\n    messages=[{"role": "user", "content": "Hello"}],\n).choices[0].message.content)`,
    },
    {
      name: 'Anthropic',
      text: `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${address}", api_key="${shown}")\nprint(client.messages.create(\n    model=${text}, max_tokens=300,\n    messages=[{"role": "user", "content": "Hello"}],\n).content[0].text)`,
    },
    {
      name: 'curl',
      text: `curl ${address}/api/chat ${keyed ? `-H 'Authorization: Bearer ${key}' ` : ''}-d '${body.replaceAll("'", `'\\''`)}'`,
    },
  ]
  if (!runs || keyed) return list
  return [{ name: 'Ollama', text: `OLLAMA_HOST=${address.replace(/^https?:\/\//, '')} ollama run ${word(model)}` }, ...list]
}
