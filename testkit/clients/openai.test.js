// The official OpenAI client.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CORRAL_URL, HERD, HERD_SAID, STORY, THOUGHT, WEATHER, collect, failure, same } from './helpers.js';

const at = (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'ollama', maxRetries: 0 });
const messages = [{ role: 'user', content: 'What happened at dawn?' }];
const chat = { model: 'tiny', messages, temperature: 0, reasoning_effort: 'none' };

suite('openai', () => {
  test('models', async () => {
    const list = await same(async (url) => (await collect(await at(url).models.list())).map((m) => ({ ...m })).sort((a, b) => (a.id < b.id ? -1 : 1)));
    assert.ok(list.length >= 4);
    const one = await at(CORRAL_URL).models.retrieve('tiny');
    assert.equal(one.id, 'tiny');
    await same((url) => at(url).models.retrieve('tiny'));
    const e = await same(async (url) => (await failure(at(url).models.retrieve('absent'))).status);
    assert.equal(e, 404);
  });

  test('chat', async () => {
    const r = await same((url) => at(url).chat.completions.create(chat));
    assert.equal(r.choices[0].message.content, STORY);
    assert.equal(r.choices[0].finish_reason, 'stop');
    assert.ok(r.usage.completion_tokens > 40);
  });

  test('chat, streamed chunk by chunk, with usage', async () => {
    const chunks = await same(async (url) => collect(await at(url).chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } })));
    assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? '').join(''), STORY);
    assert.ok(chunks.length > 40, `${chunks.length} chunks`);
    assert.ok(chunks.at(-1).usage.completion_tokens > 40);
  });

  test('thinking', async () => {
    const { reasoning_effort, ...thinks } = chat; // on by default; Ollama takes an effort from gpt-oss only
    const r = await same((url) => at(url).chat.completions.create(thinks));
    assert.equal(r.choices[0].message.reasoning, THOUGHT);
  });

  test('tools, there and back', async () => {
    const tools = [{ type: 'function', function: WEATHER }];
    const r = await same((url) => at(url).chat.completions.create({ ...chat, tools }));
    assert.equal(r.choices[0].finish_reason, 'tool_calls');
    const [call] = r.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'get_weather');
    assert.deepEqual(JSON.parse(call.function.arguments), { location: 'Paris' });
    const chunks = await same(async (url) => collect(await at(url).chat.completions.create({ ...chat, tools, stream: true })));
    const streamed = chunks.flatMap((c) => c.choices[0]?.delta.tool_calls ?? []);
    assert.deepEqual(JSON.parse(streamed.map((c) => c.function.arguments).join('')), { location: 'Paris' });
    const after = [...messages, { role: 'assistant', tool_calls: [{ ...call, id: 'call_1' }] }, { role: 'tool', tool_call_id: 'call_1', content: 'Sunny.' }];
    await same((url) => at(url).chat.completions.create({ ...chat, messages: after, tools }));
  });

  test('structured outputs', async () => {
    const json_schema = { name: 'herd', schema: HERD, strict: true };
    const r = await same((url) => at(url).chat.completions.create({ ...chat, response_format: { type: 'json_schema', json_schema } }));
    assert.deepEqual(JSON.parse(r.choices[0].message.content), HERD_SAID);
    const Herd = z.object({ name: z.string(), count: z.int() });
    const parsed = await same((url) => at(url).chat.completions.parse({ ...chat, response_format: zodResponseFormat(Herd, 'herd') }));
    assert.deepEqual(parsed.choices[0].message.parsed, HERD_SAID);
    const object = await same((url) => at(url).chat.completions.create({ ...chat, response_format: { type: 'json_object' } }));
    assert.deepEqual(JSON.parse(object.choices[0].message.content), { corral: 'corral' });
  });

  test('logprobs', async () => {
    const r = await same((url) => at(url).chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2, max_tokens: 3 }));
    assert.equal(r.choices[0].logprobs.content.length, 3);
    assert.equal(r.choices[0].logprobs.content[0].top_logprobs.length, 2);
  });

  test('embeddings, as floats and as base64', async () => {
    const input = ['horse', 'the sky'];
    const floats = await same((url) => at(url).embeddings.create({ model: 'embed', input, encoding_format: 'float' }));
    assert.deepEqual(floats.data.map((d) => d.embedding.length), [64, 64]);
    const raw = await same((url) => at(url).embeddings.create({ model: 'embed', input, encoding_format: 'base64' }));
    const bytes = Buffer.from(raw.data[0].embedding, 'base64');
    assert.equal(bytes.length, 4 * 64);
    assert.ok(Math.abs(bytes.readFloatLE(0) - floats.data[0].embedding[0]) < 1e-6);
    const unasked = await same((url) => at(url).embeddings.create({ model: 'embed', input })); // the client asks for base64 and decodes it
    assert.equal(unasked.data[0].embedding.length, 64);
  });

  test('completions', async () => {
    const ask = { model: 'tiny', prompt: 'Tell me.', temperature: 0, max_tokens: 100 };
    const r = await same((url) => at(url).completions.create(ask));
    assert.ok(r.choices[0].text.endsWith(STORY));
    const chunks = await same(async (url) => collect(await at(url).completions.create({ ...ask, stream: true })));
    assert.equal(chunks.map((c) => c.choices[0]?.text ?? '').join(''), r.choices[0].text);
  });

  test('responses', async () => {
    const ask = { model: 'tiny', input: 'What happened at dawn?', temperature: 0 };
    const r = await same((url) => at(url).responses.create(ask));
    assert.equal(r.output_text, STORY);
    assert.equal(r.status, 'completed');
    const events = await same(async (url) => collect(await at(url).responses.create({ ...ask, stream: true })));
    assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), STORY);
    assert.equal(events.at(-1).type, 'response.completed');
    const tools = [{ type: 'function', ...WEATHER, strict: false }];
    const called = await same((url) => at(url).responses.create({ ...ask, tools }));
    const call = called.output.find((o) => o.type === 'function_call');
    assert.deepEqual(JSON.parse(call.arguments), { location: 'Paris' });
  });

  test('an unknown model is a 404 in OpenAI\'s shape', async () => {
    for (const stream of [false, true]) {
      const e = await same(async (url) => {
        const { status, error, name } = await failure(at(url).chat.completions.create({ ...chat, model: 'absent', stream }));
        return { status, error, name };
      });
      assert.equal(e.status, 404);
      assert.match(e.error.message, /absent/);
    }
  });

  test('abort reaches the model', async () => {
    const gone = new AbortController();
    const stream = await at(CORRAL_URL).chat.completions.create({ ...chat, model: 'slow', stream: true }, { signal: gone.signal });
    let n = 0;
    for await (const _ of stream) if (++n === 5) gone.abort(); // this client ends its stream quietly
    const r = await at(CORRAL_URL).chat.completions.create({ ...chat, model: 'slow', max_tokens: 4 });
    assert.equal(r.choices[0].finish_reason, 'length');
  });
});
