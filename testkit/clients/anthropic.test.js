// The official Anthropic client.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { CORRAL_URL, STORY, THOUGHT, WEATHER, collect, failure, same } from './helpers.js';

const options = { maxRetries: 0 };
const byKey = (url) => new Anthropic({ baseURL: url, apiKey: 'ollama', authToken: null, ...options });
const byBearer = (url) => new Anthropic({ baseURL: url, apiKey: null, authToken: 'ollama', ...options });
const messages = [{ role: 'user', content: 'What happened at dawn?' }];
const ask = { model: 'tiny', max_tokens: 200, temperature: 0, messages };
const tools = [{ name: WEATHER.name, description: WEATHER.description, input_schema: WEATHER.parameters }];
const text = (m) => m.content.filter((b) => b.type === 'text').map((b) => b.text).join('');

suite('anthropic', () => {
  for (const [name, at] of Object.entries({ 'x-api-key': byKey, Bearer: byBearer })) {
    test(`messages, by ${name}`, async () => {
      const m = await same((url) => at(url).messages.create(ask));
      assert.equal(text(m), STORY);
      assert.equal(m.stop_reason, 'end_turn');
      assert.ok(m.usage.output_tokens > 40);
    });
  }

  test('messages, streamed event by event', async () => {
    const events = await same(async (url) => collect(await byKey(url).messages.create({ ...ask, stream: true })));
    const deltas = events.filter((e) => e.type === 'content_block_delta' && e.delta.type === 'text_delta');
    assert.equal(deltas.map((e) => e.delta.text).join(''), STORY);
    assert.ok(deltas.length > 40, `${deltas.length} deltas`);
    assert.equal(events[0].type, 'message_start');
    assert.equal(events.at(-1).type, 'message_stop');
    const final = await same((url) => byKey(url).messages.stream(ask).finalMessage());
    assert.equal(text(final), STORY);
  });

  test('a system prompt, beta headers, thinking', async () => {
    const m = await same((url) => byKey(url).beta.messages.create({ ...ask, max_tokens: 2000, system: [{ type: 'text', text: 'Be brief.' }],
      thinking: { type: 'enabled', budget_tokens: 1024 }, betas: ['interleaved-thinking-2025-05-14'] }));
    assert.equal(m.content[0].type, 'thinking');
    assert.equal(m.content[0].thinking, THOUGHT);
    assert.equal(text(m), STORY);
  });

  test('tools, there and back', async () => {
    const m = await same((url) => byKey(url).messages.create({ ...ask, tools }));
    const call = m.content.find((b) => b.type === 'tool_use');
    assert.equal(m.stop_reason, 'tool_use');
    assert.equal(call.name, 'get_weather');
    assert.deepEqual(call.input, { location: 'Paris' });
    const streamed = await same((url) => byKey(url).messages.stream({ ...ask, tools }).finalMessage());
    assert.deepEqual(streamed.content.find((b) => b.type === 'tool_use').input, { location: 'Paris' });
    const after = [...messages, { role: 'assistant', content: [{ ...call, id: 'toolu_1' }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Sunny.' }] }];
    await same((url) => byKey(url).messages.create({ ...ask, messages: after, tools }));
  });

  test('count_tokens agrees with Ollama, which need not serve it', async () => {
    await same(async (url) => {
      try {
        return await byKey(url).messages.countTokens({ model: 'tiny', messages });
      } catch (e) {
        return { status: e.status };
      }
    });
  });

  test('an unknown model is a 404 in Anthropic\'s shape', async () => {
    for (const stream of [false, true]) {
      const e = await same(async (url) => {
        const { status, error } = await failure(byKey(url).messages.create({ ...ask, model: 'absent', stream }));
        return { status, error: { ...error, request_id: undefined } };
      });
      assert.equal(e.status, 404);
      assert.equal(e.error.type, 'error');
      assert.equal(e.error.error.type, 'not_found_error');
      assert.match(e.error.error.message, /absent/);
    }
  });

  test('abort reaches the model', async () => {
    const stream = await byKey(CORRAL_URL).messages.create({ ...ask, model: 'slow', max_tokens: 1_000_000, stream: true });
    let n = 0;
    for await (const _ of stream) if (++n === 5) break;
    const m = await byKey(CORRAL_URL).messages.create({ ...ask, model: 'slow', max_tokens: 4 });
    assert.equal(m.stop_reason, 'max_tokens');
  });
});
