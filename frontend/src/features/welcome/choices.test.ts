import { expect, test } from 'vitest'
import type { Schema } from '../../api/client'
import { first, here, keeper, names } from './choices'

const model = (provider: string, name: string, bytes?: number, capabilities: string[] | null = ['completion']) =>
  ({ provider, name, bytes, capabilities }) as Schema<'LibraryModel'>
const server = (name: string, kind: string, more = {}) => ({ name, kind, keeps: kind === 'ollama', ...more }) as Schema<'LibraryHolding'>
const library = (
  models: Schema<'LibraryModel'>[],
  servers = [server('local', 'ollama'), server('gpu', 'ollama'), server('lm', 'openai')],
) => ({ models, servers, pulls: [] }) as Schema<'Library'>
const choices = (names: Schema<'Model'>[], silent: string[] = []): Schema<'Choices'> => ({
  default: 'local',
  names,
  providers: [{ provider: 'lm', kind: 'openai', models: silent.map((model) => ({ model, chats: false })) }],
})

test('the smallest first, those of unknown size last; what makes no text is none', () => {
  const l = library([
    model('local', 'big', 9),
    model('lm', 'unknown', undefined, null),
    model('lm', 'vectors', undefined, null),
    model('local', 'embed', 1, ['embedding']),
    model('local', 'small', 2, ['completion', 'tools']),
  ])
  expect(here(l, choices([], ['vectors'])).map((m) => m.name)).toEqual(['small', 'big', 'unknown'])
})

test('by what name an app gets a model', () => {
  const asked = (provider: string, name: string, of: Schema<'Model'>[]) => {
    const [m] = here(library([model(provider, name, 1)]), choices(of))
    return [m?.asked, m?.runs]
  }
  expect(asked('local', 'm:latest', [])).toEqual(['m:latest', true])
  expect(asked('lm', 'm', [])).toEqual(['', false]) // no app can name it
  expect(asked('gpu', 'm', [{ name: 'fast', targets: ['gpu/m', 'cloud/x'] }])).toEqual(['fast', true])
  expect(asked('gpu', 'm', [{ name: 'fast', targets: ['cloud/x', 'gpu/m'] }])).toEqual(['', false])
  expect(asked('lm', 'm', [{ name: 'fast', targets: ['lm/m'] }])).toEqual(['fast', false])
  // A name of the config stands before the model of that name.
  expect(asked('local', 'm:latest', [{ name: 'm', targets: ['local/m'] }])).toEqual(['m', true])
  expect(asked('local', 'm:latest', [{ name: 'm', targets: ['cloud/x'] }])).toEqual(['', false])
})

test('names tell where they lead, and what of it is not there', () => {
  const l = library([model('local', 'm:latest', 1)], [server('local', 'ollama'), server('gpu', 'ollama', { problem: 'it is off' })])
  const list = names(
    l,
    choices([
      { name: 'here', targets: ['local/m', 'cloud/x'] },
      { name: 'paid', targets: ['cloud/x', 'local/m'] },
      { name: 'gone', targets: ['local/gone', 'gpu/m'] },
      { name: 'none', targets: [] },
    ]),
  )
  expect(list.map((n) => [n.name, n.about, n.runs])).toEqual([
    ['here', 'local/m, then cloud/x', true],
    ['paid', 'cloud/x, then local/m', false],
    ['gone', 'local/gone (not there), then gpu/m', false],
  ])
})

test('the first is one that apps can name, and may be none', () => {
  const models = here(library([model('lm', 'a', 1), model('local', 'b', 2)]), choices([]))
  expect(first(models)?.name).toBe('b')
  expect(first(models.slice(0, 1))?.name).toBe('a')
  expect(first([])).toBeUndefined()
})

test('models are pulled to where apps find them by their own names', () => {
  const both = [server('gpu', 'ollama'), server('local', 'ollama')]
  expect(keeper(library([], both), choices([]))).toBe('local')
  expect(keeper(library([], [server('gpu', 'ollama')]), choices([]))).toBe('gpu')
  expect(keeper(library([], [server('lm', 'openai'), server('gpu', 'ollama', { problem: 'off' })]), choices([]))).toBeUndefined()
})
