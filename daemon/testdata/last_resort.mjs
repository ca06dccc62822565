// The official clients, unchanged, ask for a model that is away, whole and streamed; fallback_test.go checks what is printed.
// Usage: CLIENTS=testkit/clients BASE=http://127.0.0.1:PORT node last_resort.mjs MODEL
import { createRequire } from 'node:module';

const { CLIENTS, BASE } = process.env;
const require = createRequire(`${CLIENTS}/package.json`);
const Anthropic = require('@anthropic-ai/sdk').default;
const OpenAI = require('openai').default;
const { Ollama } = require('ollama');

const openai = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: 'none', maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: BASE, apiKey: 'none', maxRetries: 0 });
const ollama = new Ollama({ host: BASE });
const messages = [{ role: 'user', content: 'Hi.' }];
const model = process.argv[2];

async function joined(stream, text) {
  let all = '';
  for await (const event of await stream) all += text(event) ?? '';
  return all;
}

const ask = {
  'ollama chat': async () => (await ollama.chat({ model, messages })).message.content,
  'ollama chat, streamed': () => joined(ollama.chat({ model, messages, stream: true }), (c) => c.message.content),
  'ollama generate': async () => (await ollama.generate({ model, prompt: 'Hi.' })).response,
  'ollama generate, streamed': () => joined(ollama.generate({ model, prompt: 'Hi.', stream: true }), (c) => c.response),
  'openai chat': async () => (await openai.chat.completions.create({ model, messages })).choices[0].message.content,
  'openai chat, streamed': async () => (await openai.chat.completions.stream({ model, messages }).finalChatCompletion()).choices[0].message.content,
  'openai completions': async () => (await openai.completions.create({ model, prompt: 'Hi.' })).choices[0].text,
  'openai completions, streamed': () => joined(openai.completions.create({ model, prompt: 'Hi.', stream: true }), (c) => c.choices[0]?.text),
  'openai responses': async () => (await openai.responses.create({ model, input: 'Hi.' })).output_text,
  'openai responses, streamed': async () => (await openai.responses.stream({ model, input: 'Hi.' }).finalResponse()).output_text,
  'anthropic messages': async () => (await anthropic.messages.create({ model, max_tokens: 64, messages })).content[0].text,
  'anthropic messages, streamed': async () => (await anthropic.messages.stream({ model, max_tokens: 64, messages }).finalMessage()).content[0].text,
};

for (const [way, call] of Object.entries(ask)) {
  let said;
  try {
    said = await call();
  } catch (e) {
    said = `failed: ${e.stack ?? e}`;
  }
  console.log(JSON.stringify({ way, said }));
}
