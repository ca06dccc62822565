// ollama-js, against Ollama's own API.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Ollama } from 'ollama';
import { CORRAL_URL, HERD, HERD_SAID, PIXEL, STORY, THOUGHT, WEATHER, collect, failure, same } from './helpers.js';

const at = (host) => new Ollama({ host });
const messages = [{ role: 'user', content: 'What happened at dawn?' }];

suite('ollama', () => {
  test('version, list, ps', async () => {
    await same((url) => at(url).version());
    const models = await same(async (url) => (await at(url).list()).models.sort((a, b) => (a.name < b.name ? -1 : 1)));
    assert.equal(models.filter((m) => /^(tiny|tiny-v2|endless|embed):latest$/.test(m.name)).length, 4);
    await at(CORRAL_URL).chat({ model: 'tiny', messages, think: false });
    const loaded = await same(async (url) => (await at(url).ps()).models.filter((m) => m.name === 'tiny:latest'));
    assert.equal(loaded.length, 1);
  });

  test('show', async () => {
    const sorted = (text) => text.split('\n').sort().join('\n'); // Ollama lists the parameters in another order each time
    const info = await same(async (url) => {
      const r = await at(url).show({ model: 'tiny' });
      return { ...r, parameters: sorted(r.parameters), modelfile: sorted(r.modelfile) };
    });
    assert.deepEqual(info.capabilities, ['completion', 'tools', 'thinking']);
  });

  test('chat', async () => {
    const r = await same((url) => at(url).chat({ model: 'tiny', messages, think: false }));
    assert.equal(r.message.content, STORY);
    assert.equal(r.done_reason, 'stop');
  });

  test('chat, streamed chunk by chunk', async () => {
    const chunks = await same(async (url) => collect(await at(url).chat({ model: 'tiny', messages, think: false, stream: true })));
    assert.equal(chunks.map((c) => c.message.content).join(''), STORY);
    assert.ok(chunks.length > 40, `${chunks.length} chunks`);
    assert.equal(chunks.at(-1).done, true);
  });

  test('thinking', async () => {
    const r = await same((url) => at(url).chat({ model: 'tiny', messages, think: true }));
    assert.equal(r.message.thinking, THOUGHT);
    assert.equal(r.message.content, STORY);
    const chunks = await same(async (url) => collect(await at(url).chat({ model: 'tiny', messages, think: true, stream: true })));
    assert.equal(chunks.map((c) => c.message.thinking ?? '').join(''), THOUGHT);
  });

  test('tools, there and back', async () => {
    const tools = [{ type: 'function', function: WEATHER }];
    for (const stream of [false, true]) {
      const call = await same(async (url) => {
        const r = await at(url).chat({ model: 'tiny', messages, tools, stream });
        return stream ? (await collect(r)).flatMap((c) => c.message.tool_calls ?? []) : r.message.tool_calls;
      });
      assert.equal(call.length, 1);
      assert.equal(call[0].function.name, 'get_weather');
      assert.deepEqual(call[0].function.arguments, { location: 'Paris' });
      const after = [...messages, { role: 'assistant', content: '', tool_calls: call }, { role: 'tool', tool_name: 'get_weather', content: 'Sunny.' }];
      const r = await same((url) => at(url).chat({ model: 'tiny', messages: after, tools, think: false }));
      assert.equal(r.done_reason, 'stop');
    }
  });

  test('structured outputs', async () => {
    let r = await same((url) => at(url).chat({ model: 'tiny', messages, format: 'json', think: false }));
    assert.deepEqual(JSON.parse(r.message.content), { corral: 'corral' });
    r = await same((url) => at(url).chat({ model: 'tiny', messages, format: HERD, think: false }));
    assert.deepEqual(JSON.parse(r.message.content), HERD_SAID);
  });

  test('generate', async () => {
    const r = await same((url) => at(url).generate({ model: 'tiny', prompt: 'Tell me.', think: false, keep_alive: '1m' }));
    assert.equal(r.response, STORY);
    const chunks = await same(async (url) => collect(await at(url).generate({ model: 'tiny', prompt: 'Tell me.', think: false, stream: true })));
    assert.equal(chunks.map((c) => c.response).join(''), STORY);
  });

  test('logprobs', async () => {
    const r = await same((url) => at(url).chat({ model: 'tiny', messages, think: false, logprobs: true, top_logprobs: 2, options: { num_predict: 3 } }));
    assert.equal(r.logprobs.length, 3);
    assert.equal(r.logprobs[0].top_logprobs.length, 2);
  });

  test('embed', async () => {
    const r = await same((url) => at(url).embed({ model: 'embed', input: ['horse', 'horses', 'the sky'] }));
    assert.deepEqual(r.embeddings.map((e) => e.length), [64, 64, 64]);
    await same((url) => at(url).embeddings({ model: 'embed', prompt: 'horse' }));
  });

  test('an image passes', async () => {
    const r = await same((url) => at(url).chat({ model: 'tiny', messages: [{ ...messages[0], images: [PIXEL] }], think: false }));
    assert.equal(r.message.content, STORY); // Ollama leaves it out for a model that cannot see
  });

  test('an unknown model is a 404 with its name', async () => {
    const e = await same(async (url) => {
      const { name, status_code, error } = await failure(at(url).chat({ model: 'absent', messages }));
      return { name, status_code, error };
    });
    assert.equal(e.status_code, 404);
    assert.match(e.error, /absent/);
  });

  test('copy and delete', async () => {
    await same(async (url) => [await at(url).copy({ source: 'tiny', destination: 'tiny-copy' }), await at(url).delete({ model: 'tiny-copy' })]);
    const e = await same(async (url) => (await failure(at(url).delete({ model: 'tiny-copy' }))).status_code);
    assert.equal(e, 404);
  });

  test('create, with progress', async () => {
    const states = await same(async (url) => {
      const parts = await collect(await at(url).create({ model: 'tiny-said', from: 'tiny', system: 'Be brief.', stream: true }));
      await at(url).delete({ model: 'tiny-said' });
      return parts.map((p) => p.status).filter((s) => !/layer/.test(s));
    });
    assert.equal(states.at(-1), 'success');
  });

  test('abort reaches the model', async () => {
    const client = at(CORRAL_URL);
    const stream = await client.chat({ model: 'slow', messages, think: false, stream: true });
    let n = 0;
    const e = await failure((async () => {
      for await (const _ of stream) if (++n === 5) client.abort();
    })());
    assert.equal(e.name, 'AbortError');
    // One call at a time runs on a model here: this one is answered only when the first has ended.
    const r = await at(CORRAL_URL).chat({ model: 'slow', messages, think: false, options: { num_predict: 4 } });
    assert.equal(r.done_reason, 'length');
  });
});
