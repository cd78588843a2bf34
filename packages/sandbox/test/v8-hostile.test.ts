import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FRAME_TYPES } from '../src/frames.ts'
import { basicPolicy } from '../src/native/policy.ts'
import { startWarden } from '../src/native/warden-start.ts'
import { v8PolicyLines } from '../src/v8/policy.ts'
import { components } from './quiet-logger.ts'
import { locateV8 } from './support/held-v8.ts'
import { hurryHeld } from './support/hurry.ts'

/**
 * Node itself in the runner's place, without its permission model: what a script that somebody else wrote can do there. Native
 * code in that place: test/escape.
 */
const found = locateV8()
const SEAL = `process.dlopen({ exports: {} }, '/runner/seal.node')`
const BY_FILTER = 'the runner was ended: it made a system call that the filter forbids (signal 31)'
const UNSEALED = 'the runner was ended: it claimed a last filter that the kernel does not show (signal 9)'
const BY_WATCH = "the task's process took more memory than its limit (signal 9)"
const START_TIMEOUT = 50_000

describe.skipIf('missing' in found)('a hostile script held as V8 is', () => {
  const { warden } = 'missing' in found ? { warden: '' } : found
  let folder = ''
  let calm = (): void => {}
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'askee-hostile-'))
    calm = hurryHeld()
  })
  afterAll(async () => {
    calm()
    await rm(folder, { recursive: true, force: true })
  })

  /**
   * What `script` says by `say(text)`, or how its process was ended. It begins when a LOAD comes: then the warden has seen
   * what holds it, and its end is not a start that failed.
   */
  async function inside(script: string, more = ''): Promise<string> {
    const child = await mkdtemp(join(folder, 'child-'))
    await writeFile(
      join(child, 'main.cjs'),
      `const fs = require('node:fs')
      const send = (kind, payload) => {
        const header = Buffer.from([0x41, 0x4b, 1, kind, 0, 0, 0, 0])
        header.writeUInt32LE(payload.length, 4)
        fs.writeSync(1, Buffer.concat([header, payload]))
      }
      const say = (text) => send(${FRAME_TYPES.fault}, Buffer.from('\\0' + text))
      const attempt = (act) => {
        try { return 'did it: ' + act() } catch (error) { return error.code ?? String(error) }
      }
      send(${FRAME_TYPES.hello}, Buffer.from('\\u0001\\0evil'))
      fs.readSync(0, Buffer.alloc(1))
      ${script}`,
    )
    const seal = join(dirname(warden), 'libaskee_seal.so')
    const engine = await v8PolicyLines({ program: process.execPath, child, seal, flags: ['--no-warnings'] })
    const policy = basicPolicy({ tier: 'contained', engine, overheadBytes: 0 }) + more
    const acceptHello = () => undefined
    const init = { warden, policy, tier: 'contained', startTimeout: START_TIMEOUT, acceptHello } as const
    const { process: held, ready } = startWarden(components.timers, init)
    try {
      await ready
      return await new Promise<string>((resolve) => {
        held.listen({
          onFrame: ({ payload }) => resolve(Buffer.from(payload.subarray(1)).toString()),
          onFault: (_code, message) => resolve(message),
        })
        held.allow({ fault: 1024 })
        held.send('load', new Uint8Array(1))
      })
    } finally {
      await held.kill()
    }
  }

  it('SBX-2 finds no file of the machine, and cannot look for one', async () => {
    const said = await inside(`say([
      () => fs.readFileSync('/etc/passwd'),
      () => fs.readFileSync('/proc/self/status'),
      () => fs.readFileSync(${JSON.stringify(process.execPath)}),
      ...['/', '/runner', '/lib'].map((folder) => () => fs.readdirSync(folder)),
      () => fs.readFileSync('/runner/main.cjs').length > 0,
    ].map(attempt).join(' '))`)
    // No such name in the root; folders that Landlock does not let it read; what is there is read.
    expect(said).toBe('ENOENT ENOENT ENOENT EACCES EACCES EACCES did it: true')
  })

  it('SBX-2 is killed by the first filter when it opens a file for writing, its own too', async () => {
    const attempts = [
      ...['/runner/main.cjs', '/lib/libc.so.6', '/runner/new'].map((path) => [path, 'r+']),
      ...['w', 'a'].map((flags) => ['/runner/new', flags]),
    ]
    for (const [path, flags] of attempts)
      expect(await inside(`say(attempt(() => fs.openSync('${path}', '${flags}')))`)).toBe(BY_FILTER)
  })

  it('SBX-1 is killed by the first filter when it wants a socket or a process', async () => {
    const connect = `require('node:net').connect(9, '127.0.0.1').on('error', (error) => say(error.code))`
    expect(await inside(connect)).toBe(BY_FILTER)
    const spawn = `say(attempt(() => require('node:child_process').spawnSync('/runner/main.cjs').error.code))`
    expect(await inside(spawn)).toBe(BY_FILTER)
  })

  it('SBX-1 signals nobody: the first filter answers', async () => {
    const said = await inside(
      `say([1, 0, -1].map((pid) => attempt(() => process.kill(pid, 'SIGTERM'))).join(' '))`,
    )
    expect(said).toBe('EPERM EPERM EPERM')
  })

  it('SBX-1 once sealed opens nothing: the last filter answers', async () => {
    const open = `attempt(() => fs.readFileSync('/runner/main.cjs').length > 0)`
    expect(await inside(`say(${open})`)).toBe('did it: true')
    expect(await inside(`${SEAL}; say(${open})`)).toBe('ENOENT')
  })

  it('SBX-1 once sealed is killed by the last filter when it starts a thread or seals itself anew', async () => {
    const worker = `const { Worker } = require('node:worker_threads')
      ${SEAL}
      new Worker('0', { eval: true }).on('online', () => say('did it'))`
    expect(await inside(worker)).toBe(BY_FILTER)
    // The first of the threads that wait for files.
    const stat = `fs.stat('/runner/main.cjs', () => say('did it'))`
    expect(await inside(stat)).toBe('did it')
    expect(await inside(`${SEAL}; ${stat}`)).toBe(BY_FILTER)
    expect(await inside(`${SEAL}; ${SEAL}; say('did it')`)).toBe(BY_FILTER)
  })

  it('SBX-1 is ended when it says that it is sealed and is not', async () => {
    const said = await inside(`send(33, Buffer.alloc(0)); setTimeout(() => say('did it'), 1000)`)
    expect(said).toBe(UNSEALED)
  })

  it('GOV-7 gets no memory beyond its limit of data, touched or not', async () => {
    const hog = `say(attempt(() => Buffer.allocUnsafeSlow(1 << 30).length))`
    expect(await inside(hog, memory(160))).toBe('ERR_MEMORY_ALLOCATION_FAILED')
    expect(await inside(hog, memory(2048))).toBe('did it: 1073741824')
  })

  it('GOV-7 is ended by the watch when it fills memory that the limit of data has left it for code', async () => {
    const statements = JSON.stringify('a?.b;'.repeat(20_000))
    const hog = `require('node:v8').setFlagsFromString('--always-sparkplug')
        const kept = []
        for (let index = 0; index < 100; index++) {
          kept.push(new Function('a', 'if (a) {' + index + ';' + ${statements} + '}'))
          kept[index]()
        }
        setTimeout(() => say('did it'), 500)`
    expect(await inside(hog, memory(144))).toBe(BY_WATCH)
  })
})

function memory(mebibytes: number): string {
  return `\nmemory-bytes ${mebibytes * 1024 * 1024}`
}
