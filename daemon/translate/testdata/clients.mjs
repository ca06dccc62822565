// The official clients, unchanged, read translated streams to their end; sdk_test.go serves these and checks what is printed.
// Usage: CLIENTS=testkit/clients BASE=http://127.0.0.1:PORT node clients.mjs MODEL...
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

const ask = {
  messages: (model) => anthropic.messages.stream({ model, max_tokens: 64, messages }).finalMessage(),
  chat_completions: (model) => openai.chat.completions.stream({ model, messages, stream_options: { include_usage: true } }).finalChatCompletion(),
  responses: (model) => openai.responses.stream({ model, input: 'Hi.' }).finalResponse(),
  completions: async (model) => {
    const all = { choices: [{ text: '' }] };
    for await (const c of await openai.completions.create({ model, prompt: 'Hi.', stream: true, stream_options: { include_usage: true } })) {
      all.choices[0].text += c.choices[0]?.text ?? '';
      all.choices[0].finish_reason = c.choices[0]?.finish_reason ?? all.choices[0].finish_reason;
      all.usage = c.usage ?? all.usage;
    }
    return all;
  },
  chat: async (model) => {
    const all = { message: { content: '', thinking: '', tool_calls: [] } };
    for await (const c of await ollama.chat({ model, messages, stream: true })) {
      all.message.content += c.message.content;
      all.message.thinking += c.message.thinking ?? '';
      all.message.tool_calls.push(...(c.message.tool_calls ?? []));
      Object.assign(all, { ...c, message: all.message });
    }
    return all;
  },
};

for (const model of process.argv.slice(2)) {
  for (const [endpoint, call] of Object.entries(ask)) {
    if (endpoint === 'completions' && model.endsWith('/calls')) continue;
    let answer;
    try {
      answer = await call(model);
    } catch (e) {
      answer = { failed: String(e.stack ?? e) };
    }
    console.log(JSON.stringify({ model, endpoint, answer }));
  }
}
