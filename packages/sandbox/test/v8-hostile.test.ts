import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { errorText } from '@askee/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

  /** What `script` gives as `said`, in a HELLO; or how its process ended. */
  async function inside(script: string, more = ''): Promise<string> {
    const child = await mkdtemp(join(folder, 'child-'))
    await writeFile(
      join(child, 'main.cjs'),
      `const fs = require('node:fs')
      const hello = (said) => {
        const text = Buffer.from('\\u0001\\u0000' + said)
        const header = Buffer.from([0x41, 0x4b, 1, 1, 0, 0, 0, 0])
        header.writeUInt32LE(text.length, 4)
        fs.writeSync(1, Buffer.concat([header, text]))
        for (;;) fs.readSync(0, Buffer.alloc(1))
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
    try {
      await ready
      return hello
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

  it('GOV-7 is ended when it takes more memory than it may', async () => {
    const hog = `const kept = []
      for (let index = 0; index < 64; index++) kept.push(Buffer.alloc(16 << 20, 1))
      setTimeout(() => hello('did it'), 1000)`
    expect(await inside(hog, `\nmemory-bytes ${160 << 20}`)).not.toContain('did it')
  })
})
