// LangChain's adapters for the three dialects.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ChatAnthropic } from '@langchain/anthropic';
import { ChatOllama, OllamaEmbeddings } from '@langchain/ollama';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { tool } from '@langchain/core/tools';
import { z } from 'zod';
import { HERD_SAID, STORY, collect, failure, same } from './helpers.js';

const chats = {
  '@langchain/ollama': (baseUrl, model = 'tiny') => new ChatOllama({ baseUrl, model, temperature: 0, think: false, maxRetries: 0 }),
  '@langchain/openai': (url, model = 'tiny') =>
    new ChatOpenAI({ model, temperature: 0, apiKey: 'ollama', maxRetries: 0, configuration: { baseURL: `${url}/v1` } }),
  '@langchain/openai responses': (url, model = 'tiny') =>
    new ChatOpenAI({ model, temperature: 0, apiKey: 'ollama', maxRetries: 0, useResponsesApi: true, configuration: { baseURL: `${url}/v1` } }),
  '@langchain/anthropic': (anthropicApiUrl, model = 'tiny') =>
    new ChatAnthropic({ model, temperature: 0, maxTokens: 200, apiKey: 'ollama', anthropicApiUrl, maxRetries: 0 }),
};

const weather = tool(() => 'Sunny.', { name: 'get_weather', description: 'The weather at a place', schema: z.object({ location: z.string() }) });
const Herd = z.object({ name: z.string(), count: z.int() });

for (const [name, at] of Object.entries(chats)) {
  suite(name, () => {
    test('invoke', async () => {
      const text = await same(async (url) => (await at(url).invoke('What happened at dawn?')).text);
      assert.equal(text, STORY);
    });

    test('stream', async () => {
      const parts = await same(async (url) => (await collect(await at(url).stream('What happened at dawn?'))).map((c) => c.text));
      assert.equal(parts.join(''), STORY);
      assert.ok(parts.length > 40, `${parts.length} parts`);
    });

    test('tools', async () => {
      const calls = await same(async (url) => (await at(url).bindTools([weather]).invoke('And the weather?')).tool_calls);
      assert.deepEqual(calls.map(({ name, args }) => ({ name, args })), [{ name: 'get_weather', args: { location: 'Paris' } }]);
    });

    if (name !== '@langchain/anthropic') { // its structured output is a forced tool call, which the tiny model would not make
      test('structured output', async () => {
        const herd = await same((url) => at(url).withStructuredOutput(Herd, { name: 'herd', method: 'jsonSchema' }).invoke('Count them.'));
        assert.deepEqual(herd, HERD_SAID);
      });
    }

    test('an unknown model fails', async () => {
      const message = await same(async (url) => (await failure(at(url, 'absent').invoke('Hi.'))).message.replace(/request_id.*/, ''));
      assert.match(message, /absent/);
    });
  });
}

suite('langchain embeddings', () => {
  test('of both kinds agree', async () => {
    const a = await same((baseUrl) => new OllamaEmbeddings({ baseUrl, model: 'embed' }).embedDocuments(['horse', 'the sky']));
    const b = await same((url) => new OpenAIEmbeddings({ model: 'embed', apiKey: 'ollama', configuration: { baseURL: `${url}/v1` } }).embedDocuments(['horse', 'the sky']));
    assert.equal(a[0].length, 64);
    assert.equal(b[1].length, 64);
  });
});
