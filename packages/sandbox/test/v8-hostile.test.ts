import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { errorText } from '@askee/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { basicPolicy } from '../src/native/policy.ts'
import type { WardenProcess } from '../src/native/warden-process.ts'
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
interface Held {
  readonly held: WardenProcess
  /** What HELLO said. */
  readonly ready: Promise<string>
}

const FORBIDDEN = 'a system call that the filter forbids'

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

  /** Starts it; `hello(said)` in `script` says HELLO and then does nothing more, unless told what. */
  async function start(script: string, more = ''): Promise<Held> {
    const child = await mkdtemp(join(folder, 'child-'))
    await writeFile(
      join(child, 'main.cjs'),
      `const fs = require('node:fs')
      const forever = () => { for (;;) fs.readSync(0, Buffer.alloc(1)) }
      const hello = (said, then = forever) => {
        const text = Buffer.from('\\u0001\\u0000' + said)
        const header = Buffer.from([0x41, 0x4b, 1, 1, 0, 0, 0, 0])
        header.writeUInt32LE(text.length, 4)
        fs.writeSync(1, Buffer.concat([header, text]))
        then()
      }
      const attempt = (act) => {
        try { return 'did it: ' + act() } catch (error) { return error.code ?? String(error) }
      }
      ${script}`,
    )
    const seal = join(dirname(warden), 'libaskee_seal.so')
    const engine = await v8PolicyLines({ program: process.execPath, child, seal, flags: ['--no-warnings'] })
    const policy = basicPolicy({ tier: 'contained', engine, overheadBytes: 0 }) + more
    let hello = ''
    const { process: held, ready } = startWarden(components.timers, {
      warden,
      policy,
      tier: 'contained',
      startTimeout: 50_000,
      acceptHello: (said) => {
        hello = said
      },
    })
    return { held, ready: ready.then(() => hello) }
  }

  /** What `script` gives as `said`; or how its process ended. */
  async function inside(script: string, more?: string): Promise<string> {
    const { held, ready } = await start(script, more)
    try {
      return await ready
    } catch (error) {
      return errorText(error)
    } finally {
      await held.kill()
    }
  }

  it('SBX-2 finds no file of the machine, and cannot look for one', async () => {
    const said = await inside(`hello([
      () => fs.readFileSync('/etc/passwd'),
      () => fs.readFileSync('/proc/self/status'),
      () => fs.readFileSync(${JSON.stringify(process.execPath)}),
      () => fs.readdirSync('/'),
      () => fs.readFileSync('/runner/main.cjs').length > 0,
    ].map(attempt).join(' '))`)
    expect(said).toBe('ENOENT ENOENT ENOENT EACCES did it: true')
  })

  it('SBX-2 is killed when it opens a file for writing, its own too', async () => {
    for (const path of ['/runner/new', '/runner/main.cjs', '/lib/libc.so.6']) {
      expect(await inside(`hello(attempt(() => fs.openSync('${path}', 'r+')))`)).toContain(FORBIDDEN)
    }
  })

  it('SBX-1 is killed when it wants a socket or a process', async () => {
    const connect = `require('node:net').connect(9, '127.0.0.1').on('error', (error) => hello(error.code))`
    expect(await inside(connect)).toContain(FORBIDDEN)
    const spawn = `hello(attempt(() => require('node:child_process').spawnSync('/runner/main.cjs').error.code))`
    expect(await inside(spawn)).toContain(FORBIDDEN)
  })

  it('SBX-1 signals nobody', async () => {
    const said = await inside(
      `hello([1, 0, -1].map((pid) => attempt(() => process.kill(pid, 'SIGTERM'))).join(' '))`,
    )
    expect(said).toBe('EPERM EPERM EPERM')
  })

  it('SBX-1 once sealed opens nothing, starts no thread, and cannot be unsealed', async () => {
    const sealed = await inside(`${SEAL}
      hello(attempt(() => fs.readFileSync('/runner/main.cjs')))`)
    expect(sealed).toBe('ENOENT')
    const thread = await inside(`const { Worker } = require('node:worker_threads')
      ${SEAL}
      hello(attempt(() => new Worker('0', { eval: true }).threadId))`)
    expect(thread).not.toContain('did it')
    expect(await inside(`${SEAL}; ${SEAL}; hello('did it')`)).not.toContain('did it')
  })

  it('SBX-1 is ended when it says that it is sealed and is not', async () => {
    const script = `const ready = Buffer.from([0x41, 0x4b, 1, 33, 0, 0, 0, 0])
      setTimeout(() => fs.writeSync(1, ready), 50)
      hello('not sealed', () => {})`
    const { held, ready } = await start(script)
    await ready
    const message = await new Promise<string>((resolve) =>
      held.listen({ onFrame: () => undefined, onFault: (_code, message) => resolve(message) }),
    )
    expect(message).toContain('a last filter that the kernel does not show')
    await held.kill()
  })

  it('GOV-7 is ended when it takes more memory than it may', async () => {
    const hog = `const kept = []
      for (let index = 0; index < 64; index++) kept.push(Buffer.alloc(16 << 20, 1))
      setTimeout(() => hello('did it'), 1000)`
    expect(await inside(hog, `\nmemory-bytes ${160 << 20}`)).not.toContain('did it')
  })
})
