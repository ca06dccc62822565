// The Vercel AI SDK with the adapters that reach a local model.
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Output, embedMany, generateText, streamText, tool } from 'ai';
import { Ollama } from 'ollama';
import { createOllama } from 'ollama-ai-provider-v2';
import { z } from 'zod';
import { HERD_SAID, OLLAMA_URL, STORY, collect, failure, same } from './helpers.js';

globalThis.AI_SDK_LOG_WARNINGS = false;
const openai = (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: 'ollama' });
const compatible = (url) => createOpenAICompatible({ name: 'corral', baseURL: `${url}/v1`, apiKey: 'ollama', supportsStructuredOutputs: true });
const chats = {
  '@ai-sdk/openai chat': (url, model = 'tiny') => openai(url).chat(model),
  '@ai-sdk/openai responses': (url, model = 'tiny') => openai(url).responses(model),
  '@ai-sdk/openai-compatible': (url, model = 'tiny') => compatible(url).chatModel(model),
  '@ai-sdk/anthropic': (url, model = 'tiny') => createAnthropic({ baseURL: `${url}/v1`, apiKey: 'ollama' })(model),
  'ollama-ai-provider-v2': (url, model = 'tiny') => createOllama({ baseURL: `${url}/api` })(model),
};
const weather = tool({ description: 'The weather at a place', inputSchema: z.object({ location: z.string() }) });
const ask = { prompt: 'What happened at dawn?', temperature: 0, maxRetries: 0 };

// @ai-sdk/anthropic refuses a whole answer whose thinking has no signature, and Ollama's has none (a stream passes): it gets a
// model that does not think.
before(() => new Ollama({ host: OLLAMA_URL }).create({ model: 'plain', from: 'tiny',
  template: '{{ range .Messages }}<|user|>{{ .Content }}<|end|>{{ end }}<|assistant|>' }));

for (const [name, at] of Object.entries(chats)) {
  suite(name, () => {
    test('generateText', async () => {
      const model = name === '@ai-sdk/anthropic' ? 'plain' : 'tiny';
      const r = await same(async (url) => {
        const { text, finishReason, usage } = await generateText({ ...ask, model: at(url, model) });
        return { text, finishReason, usage };
      });
      assert.equal(r.text, STORY);
      assert.equal(r.finishReason, 'stop');
    });

    test('streamText', async () => {
      const parts = await same((url) => collect(streamText({ ...ask, model: at(url) }).textStream));
      assert.equal(parts.join(''), STORY);
      assert.ok(parts.length > 40, `${parts.length} parts`);
    });

    test('tools', async () => {
      const calls = await same(async (url) => (await generateText({ ...ask, model: at(url), tools: { get_weather: weather } })).toolCalls.map(({ toolName, input }) => ({ toolName, input })));
      assert.deepEqual(calls, [{ toolName: 'get_weather', input: { location: 'Paris' } }]);
    });

    if (name !== '@ai-sdk/anthropic') { // its structured output is a forced tool call, which the tiny model would not make
      test('structured output', async () => {
        const herd = await same(async (url) => (await generateText({ ...ask, model: at(url), output: Output.object({ schema: z.object({ name: z.string(), count: z.int() }) }) })).output);
        assert.deepEqual(herd, HERD_SAID);
      });
    }

    test('an unknown model fails', async () => {
      const e = await same(async (url) => {
        const { statusCode, message, responseBody } = await failure(generateText({ ...ask, model: at(url, 'absent') }));
        return { statusCode, message, responseBody: responseBody.replace(/,"request_id":"[^"]*"/, '') };
      });
      assert.equal(e.statusCode, 404);
      assert.match(e.responseBody, /absent/);
    });
  });
}

suite('AI SDK embeddings', () => {
  for (const [name, model] of Object.entries({
    '@ai-sdk/openai': (url) => openai(url).embeddingModel('embed'),
    '@ai-sdk/openai-compatible': (url) => compatible(url).embeddingModel('embed'),
    'ollama-ai-provider-v2': (url) => createOllama({ baseURL: `${url}/api` }).embeddingModel('embed'),
  })) {
    test(name, async () => {
      const vectors = await same(async (url) => (await embedMany({ model: model(url), values: ['horse', 'the sky'] })).embeddings);
      assert.deepEqual(vectors.map((v) => v.length), [64, 64]);
    });
  }
});
