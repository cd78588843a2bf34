import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askee, startAskee } from './askee.ts'
import { grant, PURPOSE, TestMesh } from './mesh.ts'
import { compileModules, type Modules } from './modules.ts'

const mesh = new TestMesh()
const directory = mkdtempSync(join(tmpdir(), 'askee-cli-'))
let modules: Modules

beforeAll(async () => {
  modules = await compileModules(['echo', 'traps', 'greedy'])
})
afterEach(() => mesh.stop())
afterAll(() => {
  modules.remove()
  rmSync(directory, { recursive: true })
})

describe('the askee command', () => {
  it('CLI-1 checks and instruments modules, and names offence and byte of a refusal', async () => {
    expect(await askee(['wasm', 'check', modules.path('echo')])).toMatchObject({ code: 0 })
    const out = join(directory, 'out.wasm')
    expect(await askee(['wasm', 'instrument', modules.path('echo'), out])).toMatchObject({ code: 0 })
    expect(readFileSync(out).includes('askee_fuel')).toBe(true)

    const bad = modules.file('bad.wasm', new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 9, 200]))
    const refused = await askee(['wasm', 'check', '--json', bad])
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout).error.code).toBe('wasm/malformed')
    expect(refused.stderr).toMatch(/at byte \d+/)
    // A module without our imports and exports is nothing to a node, and fine for the pass alone.
    const plain = modules.file('plain.wasm', new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]))
    expect(await askee(['wasm', 'check', plain])).toMatchObject({ code: 1 })
    expect(await askee(['wasm', 'check', '--no-abi', plain])).toMatchObject({ code: 0 })
    expect(await askee(['wasm', 'instrument', '--no-abi', plain, out])).toMatchObject({ code: 0 })
  }, 60_000)

  it('CLI-1 says by its exit code what went wrong', async () => {
    expect((await askee(['nonsense'])).code).toBe(2)
    expect((await askee(['simulate', '--nodes', 'many'])).code).toBe(2)
    expect((await askee(['simulate', '--faulty', '9'])).code).toBe(2)
    expect((await askee(['status', '--control', join(directory, 'nobody.sock')])).code).toBe(3)
    expect((await askee(['--help'])).code).toBe(0)
  }, 60_000)

  it('CLI-1 submits to a running agent and shows results that can be trusted', async () => {
    const requester = await mesh.start('requester')
    const workers = await Promise.all(['a', 'b', 'c'].map((name) => mesh.start(name, requester.addresses)))
    await Promise.all(workers.map((worker) => grant(worker, requester)))
    const control = join(mesh.directory, 'requester', 'control.sock')
    const input = modules.file('input', new TextEncoder().encode('hello'))
    const args = [
      'submit',
      modules.path('echo'),
      '--control',
      control,
      '--input',
      input,
      '--input',
      input,
      '--purpose',
      PURPOSE,
      '--wait',
    ]

    const json = await askee([...args, '--json', '--output-dir', join(directory, 'out')])
    expect(json.code, json.stderr).toBe(0)
    const view = JSON.parse(json.stdout)
    const echoed = { state: 'accepted', result: { output: Buffer.from('hello').toString('hex'), trap: null } }
    expect(view.tasks).toMatchObject([echoed, echoed])
    expect(readFileSync(join(directory, 'out', '1.out'), 'utf8')).toBe('hello')
    const table = await askee(args)
    expect(table.stdout).toMatch(/accepted +\d+ +3 .*hello/)

    const refused = await askee([
      'submit',
      modules.path('greedy'),
      '--control',
      control,
      '--purpose',
      PURPOSE,
      '--json',
    ])
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout).error.code).toBe('wasm/memory-limit')

    const status = JSON.parse((await askee(['status', '--control', control, '--json'])).stdout)
    expect(status.node).toBe(requester.node)
    expect(['portable process', 'native contained']).toContain(
      `${status.executor.name} ${status.executor.tier}`,
    )
    const worker = JSON.parse((await askee(['status', '--data', join(mesh.directory, 'a'), '--json'])).stdout)
    expect(Object.keys(worker.worker.credit)).toEqual([requester.node])
    // The same for people: what is allowed here, and what was asked of others.
    const volunteer = (await askee(['status', '--data', join(mesh.directory, 'a')])).stdout
    expect(volunteer).toMatch(/^consents {2}1 live, 0 over$/m)
    expect(volunteer).toMatch(new RegExp(`nothing runs for .*, "${PURPOSE}", until 2`))
    expect((await askee(['status', '--control', control])).stdout).toMatch(/^campaigns 0 running, 2 over$/m)
    expect((await askee(['status', '--control', control, '--id'])).stdout.trim()).toBe(requester.node)
  }, 120_000)

  it('CON-3 grants only to a reader: the hash of the very terms, or nothing', async () => {
    const requester = await mesh.start('requester')
    const worker = await mesh.start('worker')
    const args = (purpose: string): string[] => [
      'consent',
      'grant',
      '--data',
      join(mesh.directory, 'worker'),
      '--requester',
      requester.node,
      '--purpose',
      purpose,
      '--kinds',
      'data-processing',
    ]
    const unasked = await askee(args('folding proteins'))
    expect(unasked.code).toBe(5)
    for (const told of [
      requester.node,
      'folding proteins',
      'processing of data sets',
      '24 h',
      '256 MiB',
      'IP address',
    ]) {
      expect(unasked.stderr).toContain(told)
    }
    expect(await worker.client.consents()).toEqual([])

    const hash = /Hash of these terms: ([0-9a-f]{64})/.exec(unasked.stderr)?.[1] as string
    expect((await askee([...args('folding umbrellas'), '--accept-terms', hash])).code).toBe(5)
    expect(await worker.client.consents()).toEqual([])
    expect((await askee([...args('folding proteins'), '--accept-terms', hash])).code).toBe(0)
    expect(await worker.client.consents()).toMatchObject([{ requester: requester.node, live: true }])
  }, 120_000)
})

describe('the agent', () => {
  it('NET-1 is ready with its default options, without a peer, and then rests', async () => {
    const child = startAskee(['agent', '--data', join(mesh.directory, 'default'), '--lifeline', '--json'])
    try {
      const ready = await new Promise<string>((resolve) =>
        child.stdout?.once('data', (data) => resolve(String(data))),
      )
      expect(JSON.parse(ready).node).toMatch(/^12D3KooW/)
      const cpu = async (): Promise<number> => {
        const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
        return Number(fields[11]) + Number(fields[12])
      }
      if (process.platform !== 'linux') return
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      const before = await cpu()
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      // Ticks of 10 ms: an agent that spins would use some 400 of them.
      expect((await cpu()) - before).toBeLessThan(100)
    } finally {
      child.kill('SIGKILL')
    }
  }, 60_000)
})

describe('the agent on disk', () => {
  it('KEY-1 keeps keys, socket and data from other users', async () => {
    await mesh.start('private')
    const data = join(mesh.directory, 'private')
    const mode = (name: string): number => statSync(join(data, name)).mode & 0o077
    const names = [
      '.',
      'keys',
      'keys/device.key',
      'keys/secrets',
      'control.sock',
      'blocks',
      'audit.db',
      'peers',
    ]
    expect(names.map(mode)).toEqual(names.map(() => 0))
  }, 60_000)

  it('CLI-1 refuses a second agent on the same data, and takes over from a dead one', async () => {
    const first = await mesh.start('twice')
    const second = await askee([
      'agent',
      '--data',
      join(mesh.directory, 'twice'),
      '--network',
      'local',
      '--no-mdns',
      '--json',
    ])
    expect(second.code).toBe(1)
    expect(JSON.parse(second.stdout).error.code).toBe('store/in-use')
    await first.kill()
    expect(existsSync(join(mesh.directory, 'twice', 'control.sock'))).toBe(true)
    expect((await mesh.start('twice')).node).toBe(first.node)
  }, 60_000)

  it('STO-2 names what is damaged instead of starting on it', async () => {
    const first = await mesh.start('damaged')
    await first.kill()
    writeFileSync(join(mesh.directory, 'damaged', 'keys', 'device.key'), 'too short')
    const again = await askee([
      'agent',
      '--data',
      join(mesh.directory, 'damaged'),
      '--network',
      'local',
      '--no-mdns',
      '--json',
    ])
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stdout).error.code).toBe('keys/device-key-file')
  }, 60_000)
})
