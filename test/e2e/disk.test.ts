import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { digestOf, systemRandom } from '@askee/core'
import { createIdentity, publicKeyFromNodeId } from '@askee/keys'
import { locateNative } from '@askee/sandbox'
import { loadModule, WORKLOADS } from '@askee/workloads'
import { afterEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, type RunningAgent, TestMesh, until } from './mesh.ts'

const mesh = new TestMesh()
afterEach(() => mesh.stop())

/**
 * Nothing here waits for a time to pass, but on a loaded machine all of it waits for the processor: at load 25 on two cores the four
 * agents took 83 s to start instead of 11, and tasks, of the idle class, get what everybody else leaves.
 */
const DEADLINE_MS = 900_000
/** A campaign that fails must say so before the test ends. */
const CAMPAIGN_MS = 600_000
const PURPOSE = 'folding of the protein 1ubq'

/** Every file below, with its bytes. */
function filesIn(directory: string): { path: string; bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }))
}

/**
 * What `strings` would show: runs of at least 24 printable characters. Shorter ones stand in any ciphertext by chance; of 24 there
 * is one in 20 GB.
 */
function stringsIn(bytes: Buffer): string[] {
  return bytes.toString('latin1').match(/[\x20-\x7e]{24,}/g) ?? []
}

/** The id of a node and the port it listens on, as text and as they stand in messages and multiaddrs. */
function tracesOf({ node, addresses }: RunningAgent): (string | Buffer)[] {
  return [
    node,
    Buffer.from(publicKeyFromNodeId(node)),
    ...addresses.flatMap((address) => {
      const port = Number(address.split('/')[4])
      return [`/tcp/${port}`, Buffer.from([0x04, 127, 0, 0, 1, 0x06, port >> 8, port & 255])]
    }),
  ]
}

async function compute(requester: RunningAgent): Promise<{ outputs: Buffer[]; modules: Buffer[] }> {
  const workload = WORKLOADS.get('primes')!
  const module = Buffer.from(await loadModule(workload.moduleName))
  const inputs = (workload.plan('default').next().value as readonly Uint8Array[]).slice(0, 3)
  const { id } = await requester.client.submit({
    purpose: PURPOSE,
    kind: 'scientific-compute',
    module: await requester.client.putBlock(module),
    inputs: await Promise.all(inputs.map((input) => requester.client.putBlock(input))),
    resources: { fuel: '10000000000', memoryBytes: 64 * 1_048_576, outputBytes: 4096, wallTimeMs: 300_000 },
    f: 1,
    engines: 'any',
    deadlineMs: CAMPAIGN_MS,
    minReputation: 0,
  })
  const { tasks, state } = await requester.client.wait(id)
  expect(state).toBe('finished')
  return { outputs: tasks.map((task) => Buffer.from(task.result!.output, 'base64')), modules: [module] }
}

describe('the data directory', () => {
  it(
    'STO-1 holds no purpose, name, program, result, key, peer or address in clear, while the agent runs and after it was killed',
    async () => {
      const requester = await mesh.start('requester')
      const workers = await Promise.all(['a', 'b', 'c'].map((name) => mesh.start(name, requester.addresses)))
      await Promise.all(workers.map((worker) => grant(worker, requester, { purpose: PURPOSE })))
      const { modules } = await compute(requester)
      const module = modules[0]!
      // What was learned of peers is written a moment later.
      const nodes = ['requester', 'a', 'b', 'c']
      const hasPeers = (name: string) => existsSync(join(mesh.directory, name, 'peers', 'mesh.sealed'))
      await until('peers written', async () => nodes.every(hasPeers))
      const secrets = [
        PURPOSE,
        'consent.granted',
        'scientific-compute',
        'SQLite format 3',
        module.subarray(0, 64),
        'output_write',
        '\x7fELF',
        'wasmtime',
        ...[requester, ...workers].flatMap(tracesOf),
      ]
      const digest = digestOf(module)
      const names = [digest, ...[requester, ...workers].map(({ node }) => node)]
      const found = (): string[] =>
        nodes.flatMap((name) =>
          filesIn(join(mesh.directory, name)).flatMap(({ path, bytes }) => {
            const file = relative(mesh.directory, path)
            return [
              ...secrets
                .filter((secret) => bytes.includes(secret))
                .map((secret) => secret.toString('latin1')),
              ...stringsIn(bytes),
              ...names.filter((known) => file.includes(known)),
            ].map((clear) => `${file}: ${clear.slice(0, 40)}`)
          }),
        )
      expect(found()).toEqual([])
      await Promise.all([requester, ...workers].map((agent) => agent.kill()))
      expect(found()).toEqual([])
      const folders = (name: string) => readdirSync(join(mesh.directory, name, 'compiled')).length
      if ('warden' in locateNative()) expect(['a', 'b', 'c'].map(folders)).toEqual([1, 1, 1])
      // The search finds what is there.
      const planted = `${PURPOSE}, and whatever else`
      writeFileSync(join(mesh.directory, 'a', 'planted'), `\0${planted}\0`)
      writeFileSync(join(mesh.directory, 'a', digest), '')
      expect(found().sort()).toEqual([
        `a/${digest}: ${digest.slice(0, 40)}`,
        `a/planted: ${PURPOSE}`,
        `a/planted: ${planted.slice(0, 40)}`,
      ])
    },
    DEADLINE_MS,
  )

  it(
    'KEY-2 takes over the seeds of an earlier version, and leaves none in clear',
    async () => {
      const identity = createIdentity(systemRandom)
      const keys = join(mesh.directory, 'old', 'keys')
      mkdirSync(keys, { recursive: true, mode: 0o700 })
      writeFileSync(join(keys, 'node.key'), identity.exportSeed(), { mode: 0o600 })
      const agent = await mesh.start('old')
      expect(agent.node).toBe(identity.id)
      await agent.kill()
      const seed = Buffer.from(identity.exportSeed())
      for (const { bytes } of filesIn(join(mesh.directory, 'old'))) expect(bytes.includes(seed)).toBe(false)
      expect((await mesh.start('old')).node).toBe(identity.id)
    },
    DEADLINE_MS,
  )

  it(
    'KEY-2 opens behind a passphrase alone',
    async () => {
      mkdirSync(mesh.directory, { recursive: true })
      const file = join(mesh.directory, 'passphrase')
      writeFileSync(file, 'correct horse battery staple\n', { mode: 0o600 })
      const behind = ['--device-key', 'passphrase', '--passphrase-file', file]
      const first = await mesh.start('behind', [], behind)
      await first.kill()
      expect(statSync(join(mesh.directory, 'behind', 'keys')).mode & 0o077).toBe(0)
      expect((await mesh.start('behind', [], behind)).node).toBe(first.node)
      await mesh.stopAgents()
      const start = [
        'agent',
        '--data',
        join(mesh.directory, 'behind'),
        '--network',
        'local',
        '--no-mdns',
        '--json',
      ]
      writeFileSync(file, 'another\n')
      expect(JSON.parse((await askee([...start, ...behind])).stdout).error.code).toBe('keys/wrong-passphrase')
      chmodSync(file, 0o644)
      expect(JSON.parse((await askee([...start, ...behind])).stdout).error.code).toBe('agent/secret-file')
      expect((await askee([...start, '--device-key', 'passphrase'])).code).toBe(2)
    },
    DEADLINE_MS,
  )

  it(
    'STO-1 refuses a database of before, put back alone',
    async () => {
      const first = await mesh.start('back')
      await until('written', async () => (await first.client.status()).node === first.node)
      await first.kill()
      const data = join(mesh.directory, 'back')
      const before = readFileSync(join(data, 'consents.db'))
      for (let i = 0; i < 2; i++) await (await mesh.start('back')).stop()
      writeFileSync(join(data, 'consents.db'), before)
      const again = await askee(['agent', '--data', data, '--network', 'local', '--no-mdns', '--json'])
      expect(again.code).toBe(1)
      expect(JSON.parse(again.stdout).error.code).toBe('store/rolled-back')
    },
    DEADLINE_MS,
  )
})
