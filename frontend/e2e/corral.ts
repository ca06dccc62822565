import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const repository = join(import.meta.dirname, '../..')

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  if (typeof address !== 'object' || !address) throw new Error('no port is free')
  return address.port
}

/** The real Ollama: the one that CORRAL_TEST_OLLAMA names, or else the one that testkit builds, which takes minutes the first time. */
function ollamaProgram(): string {
  const named = process.env.CORRAL_TEST_OLLAMA
  if (named) return named
  const setup = join(repository, 'testkit/ollama/setup.sh')
  console.log(`CORRAL_TEST_OLLAMA is not set: asking ${setup} for an Ollama, which it builds in some minutes when there is none yet`)
  return execFileSync(setup, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
}

/** What testkit/cmd/ollama prints. */
export interface ModelServer {
  ollama: string
  registry: string
  slow_registry: string
  home: string
}

/** Starts the real Ollama with the tiny models and the registries of testkit/cmd/ollama. */
async function modelServer(home: string) {
  const program = join(home, 'models')
  execFileSync('go', ['build', '-o', program, './testkit/cmd/ollama'], { cwd: repository, stdio: 'inherit' })
  const child = spawn(program, { env: { ...process.env, CORRAL_TEST_OLLAMA: ollamaProgram() }, stdio: ['pipe', 'pipe', 'inherit'] })
  const stop = async () => {
    child.stdin.end()
    await ended(child)
  }
  const first = await new Promise<string>((said, failed) => {
    createInterface(child.stdout).once('line', said)
    child.once('exit', (code) => failed(new Error(`the model server ended with ${code}`)))
  })
  return { ...(JSON.parse(first) as ModelServer), stop }
}

async function ended(child: ChildProcess) {
  if (child.exitCode === null && child.signalCode === null) await new Promise((done) => child.once('exit', done))
}

/** So dear that a call of a few milliseconds costs something that is seen, and uses a budget up. */
const dear = `budgets: [ { per: day, usd: 0.000001, then: warn } ]
prices: { local: { watts: 35, usd_per_kwh: 0.3, usd_per_hour: 1000 } }`

/** Starts the real Corral, with the page that it carries, in front of a real Ollama. Its result stops both. */
export default async function start() {
  const home = mkdtempSync(join(tmpdir(), 'corral-page-'))
  const program = join(home, 'corral')
  execFileSync('go', ['build', '-o', program, '.'], {
    cwd: repository,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: 'inherit',
  })
  const server = await modelServer(home)
  const address = `127.0.0.1:${await freePort()}`
  const data = join(home, 'data')
  writeFileSync(
    join(home, 'corral.yaml'),
    `providers: [ { name: local, kind: ollama, url: "${server.ollama}" } ]
models: [ { name: chat, targets: [ { provider: local, model: tiny } ] } ]
audit: { content: encrypted }
retry: { max_attempts: 1 }
${process.env.CORRAL_PRICES ?? dear}
`,
  )
  const log: string[] = []
  const corral = spawn(program, ['serve', '--config', join(home, 'corral.yaml'), '--data-dir', data, '--listen', address], {
    env: { PATH: process.env.PATH, HOME: home },
  })
  corral.stderr.on('data', (b) => log.push(String(b)))
  corral.stdout.on('data', (b) => log.push(String(b)))
  const stop = async () => {
    corral.kill('SIGTERM')
    await ended(corral)
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  }
  try {
    const url = `http://${address}`
    await answers(`${url}/readyz`, () => corral.exitCode !== null)
    process.env.CORRAL_URL = url
    process.env.CORRAL_OPERATOR = readFileSync(join(data, 'operator.token'), 'utf8').trim()
    process.env.CORRAL_MODEL_SERVER = JSON.stringify(server)
    for (let i = 0; i < 40; i++) await call(i % 8 === 7 ? 'broken' : 'chat', i % 5)
  } catch (error) {
    await stop()
    throw new Error(`Corral did not start: ${error}\n${log.join('')}`)
  }
  return stop
}

async function answers(url: string, ended: () => boolean) {
  const deadline = Date.now() + 30_000
  for (;;) {
    if (ended()) throw new Error('it has ended')
    const ready = await fetch(url).then(
      (r) => r.ok,
      () => false,
    )
    if (ready) return
    if (Date.now() > deadline) throw new Error(`${url} did not answer within 30 s`)
    await new Promise((later) => setTimeout(later, 50))
  }
}

/** One call of an app. Calls with the same seed are the same question; the models are those of testkit/cmd/ollama, and `chat`. */
export async function call(model: string, seed: number, user = 'ann') {
  const r = await fetch(`${process.env.CORRAL_URL}/api/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Corral-User': user, 'Corral-App': 'notes' },
    body: JSON.stringify({
      model,
      stream: false,
      options: { temperature: 0, seed },
      messages: [{ role: 'user', content: `Question ${seed}` }],
    }),
  })
  await r.text()
  return r.headers.get('X-Request-Id') ?? ''
}
