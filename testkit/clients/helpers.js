// What the tests share: where Corral and Ollama are, what the tiny models say, and how answers are compared.
import assert from 'node:assert/strict';

export const { CORRAL_URL, OLLAMA_URL } = process.env;
assert.ok(CORRAL_URL && OLLAMA_URL, 'set CORRAL_URL and OLLAMA_URL (go test ./testkit/clients does)');

// Said by the tiny models at temperature 0; see testkit/testkit.go.
export const STORY =
  'Dawn came over the corral and every horse lifted its head. Rosa counted them twice, once for luck and once for the ledger. ' +
  'Seven stood near the water, three under the cottonwood, one alone by the gate. She opened it slowly, so nobody would bolt. ' +
  'Then she whistled, waited, whistled again, until hooves answered from far up the ridge. By noon all were home.';
export const THOUGHT = 'The user asked, so I recall a story.';

export const WEATHER = {
  name: 'get_weather',
  description: 'The weather at a place',
  parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
};

// A schema, and what tiny says under it.
export const HERD = {
  type: 'object',
  properties: { name: { type: 'string' }, count: { type: 'integer' } },
  required: ['name', 'count'],
};
export const HERD_SAID = { name: 'corral', count: 42 };

// A picture of one pixel.
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const VOLATILE = new Set(['id', 'item_id', 'response_id', 'tool_call_id', 'call_id', 'created', 'created_at', 'completed_at', 'modified_at', 'expires_at',
  'total_duration', 'load_duration', 'prompt_eval_duration', 'eval_duration']);

// steady is a value as plain data, without what differs between two runs of one call: ids, times and durations.
export function steady(value) {
  const plain = JSON.parse(JSON.stringify(value ?? null));
  const strip = (v) => {
    if (Array.isArray(v)) return v.map(strip);
    if (v === null || typeof v !== 'object') return v;
    return Object.fromEntries(Object.entries(v).filter(([k]) => !VOLATILE.has(k)).map(([k, x]) => [k, strip(x)]));
  };
  return strip(plain);
}

// same runs call against Ollama and against Corral, checks that both gave the same, and returns what Corral gave.
export async function same(call) {
  const direct = steady(await call(OLLAMA_URL));
  const relayed = steady(await call(CORRAL_URL));
  assert.deepEqual(relayed, direct);
  return relayed;
}

// collect reads an async iterable to its end.
export async function collect(stream) {
  const all = [];
  for await (const x of stream) all.push(x);
  return all;
}

// failure is what a call that must fail said.
export async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  assert.fail('the call should have failed');
}
