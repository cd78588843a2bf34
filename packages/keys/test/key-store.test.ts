import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCode, systemRandom as random, utf8 } from '@askee/core'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  backUpKeys,
  createIdentity,
  type DeviceKey,
  type KeyStore,
  openKeyStore,
  openSoftwareDeviceKey,
  restoreKeys,
  rewrapKeyStore,
} from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-key-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

let homes = 0
interface Home {
  readonly directory: string
  readonly keyPath: string
  readonly deviceKey: DeviceKey
  open(): Promise<KeyStore>
}

async function home(): Promise<Home> {
  const directory = join(folder, `${homes++}`, 'keys')
  const keyPath = join(folder, `${homes}`, 'device.key')
  const deviceKey = await openSoftwareDeviceKey({ path: keyPath, random })
  return { directory, keyPath, deviceKey, open: () => openKeyStore({ directory, deviceKey, random }) }
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

/** Every byte on disk below a folder. */
function everything(directory: string): Buffer {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
  return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))))
}

describe('the key store', () => {
  it('KEY-1 destroys a secret also when the change cannot be written down, as on a full disk, and says so later', async () => {
    const { directory, deviceKey, open } = await home()
    await (await open()).replace('stolen', utf8('key'))
    const told: string[] = []
    let isFull = true
    const record = {
      changing(file: string, next: Uint8Array | null) {
        if (isFull) throw new Error('ENOSPC: no space left on device, write')
        return () => void told.push(`${file} ${next === null ? 'gone' : 'there'}`)
      },
    }
    const store = await openKeyStore({ directory, deviceKey, random, record })
    expect(await codeOf(store.replace('new', utf8('key')))).toContain('ENOSPC')
    expect(await codeOf(store.destroy('stolen'))).toContain('ENOSPC')
    expect(await store.names()).toEqual([])
    isFull = false
    await store.destroy('stolen')
    expect(told).toEqual(['stolen.secret gone'])
  })

  it('STO-1 keeps secrets over a restart, private and never in clear', async () => {
    const at = await home()
    const store = await at.open()
    const made = await store.secret('cache-key', 32)
    expect(made).toHaveLength(32)
    await store.replace('note', utf8('words that would be seen at once'))
    const again = await at.open()
    expect(await again.secret('cache-key', 32)).toEqual(made)
    expect(await again.names()).toEqual(['cache-key', 'note'])
    const disk = everything(at.directory)
    expect(disk.includes(Buffer.from(made))).toBe(false)
    expect(disk.includes('words that would')).toBe(false)
    if (process.platform !== 'win32') {
      expect(statSync(at.directory).mode & 0o777).toBe(0o700)
      for (const file of readdirSync(at.directory)) {
        expect(statSync(join(at.directory, file)).mode & 0o777).toBe(0o600)
      }
    }
  })

  it('STO-2 gives all who ask at once the same secret', async () => {
    const stores = await (async () => {
      const at = await home()
      return [await at.open(), await at.open()]
    })()
    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (stores[i % 2] as KeyStore).secret('one', 32)),
    )
    expect(new Set(asked.map((bytes) => Buffer.from(bytes).toString('hex'))).size).toBe(1)
  })

  it('STO-1 refuses another device key, a file in the place of another, and every flipped byte', async () => {
    const at = await home()
    const store = await at.open()
    await store.replace('a', utf8('first'))
    await store.replace('b', utf8('second'))
    const other = await home()
    const foreign = await openKeyStore({ directory: at.directory, deviceKey: other.deviceKey, random })
    expect(await codeOf(foreign.read('a'))).toBe('keys/wrong-key')
    expect(await codeOf(foreign.secret('a', 5))).toBe('keys/wrong-key')
    const path = join(at.directory, 'a.secret')
    const whole = readFileSync(path)
    writeFileSync(path, readFileSync(join(at.directory, 'b.secret')))
    expect(await codeOf(store.read('a'))).toBe('keys/wrong-context')
    for (let byte = 0; byte < whole.length; byte++) {
      const flipped = Buffer.from(whole)
      flipped[byte] = (flipped[byte] as number) ^ 0x04
      writeFileSync(path, flipped)
      expect(await codeOf(store.read('a')), `byte ${byte}`).toMatch(/^keys\//)
    }
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length))
      expect(await codeOf(store.read('a')), `${length} bytes`).toMatch(/^keys\//)
    }
  })

  it('STO-1 does what a map does, whatever the order of calls', async () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const command = fc.oneof(
      fc.record({ kind: fc.constant('replace' as const), name, bytes: fc.uint8Array({ minLength: 1 }) }),
      fc.record({ kind: fc.constant('destroy' as const), name }),
      fc.record({ kind: fc.constant('reopen' as const), name }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 12 }), async (commands) => {
        const at = await home()
        let store = await at.open()
        const model = new Map<string, Uint8Array>()
        for (const one of commands) {
          if (one.kind === 'replace') {
            await store.replace(one.name, one.bytes)
            model.set(one.name, one.bytes)
          } else if (one.kind === 'destroy') {
            await store.destroy(one.name)
            model.delete(one.name)
          } else store = await at.open()
        }
        expect(await store.names()).toEqual([...model.keys()].sort())
        for (const key of ['a', 'b', 'c']) expect(await store.read(key)).toEqual(model.get(key))
      }),
      { numRuns: 15 },
    )
  })

  it('STO-1 takes no name that leaves the folder, and no secret of another length', async () => {
    const store = await (await home()).open()
    for (const name of ['', '..', '../x', 'a/b', 'A', 'a\0', 'a'.repeat(81), '.a']) {
      expect(await codeOf(store.replace(name, utf8('x'))), name).toBe('keys/secret-name')
    }
    await store.secret('short', 16)
    expect(await codeOf(store.secret('short', 32))).toBe('keys/secret-length')
  })

  it('STO-2 loses nothing acknowledged and mixes nothing when killed while writing', async () => {
    const at = await home()
    const script = fileURLToPath(new URL('support/key-store-writer.ts', import.meta.url))
    const store = await at.open()
    await store.replace('counter', new Uint8Array(1000))
    for (let kill = 0, next = 1; kill < 5; kill++) {
      const child = spawn(process.execPath, [script, at.directory, at.keyPath, `${next}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let said = ''
      const enough = 3 + ((kill * 7) % 11)
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (data) => {
          said += data
          if (said.split('\n').length > enough) child.kill('SIGKILL')
        })
        child.once('close', () => resolve())
      })
      const acknowledged = Number(said.trimEnd().split('\n').at(-1))
      const bytes = (await (await at.open()).read('counter')) as Uint8Array
      const kept = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
      expect(kept).toBeGreaterThanOrEqual(acknowledged)
      expect(kept).toBeLessThanOrEqual(acknowledged + 1)
      expect(new Set(bytes.subarray(4))).toEqual(new Set([kept & 0xff]))
      next = kept + 1
    }
    expect(readdirSync(at.directory)).toEqual(['counter.secret'])
  })
})

describe('identities in the key store', () => {
  it('KEY-1 keeps an identity, each name its own', async () => {
    const at = await home()
    const store = await at.open()
    const { id } = await store.identity('node')
    expect((await (await at.open()).identity('node')).id).toBe(id)
    expect((await store.identity('owner')).id).not.toBe(id)
  })

  it('STO-1 takes over a raw seed once: same identity, and the raw file is gone', async () => {
    const at = await home()
    const identity = createIdentity(random)
    const raw = join(at.directory, '..', 'node.key')
    mkdirSync(join(at.directory, '..'), { recursive: true })
    writeFileSync(raw, identity.exportSeed())
    const store = await at.open()
    await store.adopt('node', raw)
    expect(existsSync(raw)).toBe(false)
    expect((await store.identity('node')).id).toBe(identity.id)
    expect(everything(at.directory).includes(Buffer.from(identity.exportSeed()))).toBe(false)
    await store.adopt('node', raw)
    expect((await store.identity('node')).id).toBe(identity.id)
  })

  it('STO-2 goes on where a crash stopped the taking over, and never overwrites another identity', async () => {
    const at = await home()
    const identity = createIdentity(random)
    const store = await at.open()
    const raw = join(folder, 'raw.key')
    // Wrapped already, raw file not removed yet.
    await store.replace('node', identity.exportSeed())
    writeFileSync(raw, identity.exportSeed())
    await store.adopt('node', raw)
    expect(existsSync(raw)).toBe(false)

    writeFileSync(raw, createIdentity(random).exportSeed())
    expect(await codeOf(store.adopt('node', raw))).toBe('keys/migration-conflict')
    expect(existsSync(raw)).toBe(true)
    writeFileSync(raw, new Uint8Array(31))
    expect(await codeOf(store.adopt('node', raw))).toBe('keys/identity-file')
    expect((await store.identity('node')).id).toBe(identity.id)
  })

  it('KEY-2 moves to another device key, also after a stop half way', async () => {
    const [at, next] = [await home(), await home()]
    const store = await at.open()
    for (const name of ['a', 'b', 'c']) await store.replace(name, utf8(`secret ${name}`))
    // Half way: one is wrapped by the new key already.
    await (await openKeyStore({ directory: at.directory, deviceKey: next.deviceKey, random })).replace(
      'b',
      utf8('secret b'),
    )
    const init = { directory: at.directory, from: at.deviceKey, to: next.deviceKey, random }
    expect(await rewrapKeyStore(init)).toBe(2)
    expect(await rewrapKeyStore(init)).toBe(0)
    const moved = await openKeyStore({ directory: at.directory, deviceKey: next.deviceKey, random })
    for (const name of ['a', 'b', 'c']) expect(await moved.read(name)).toEqual(utf8(`secret ${name}`))
    expect(await codeOf(store.read('a'))).toBe('keys/wrong-key')
  })
})

describe('backups of keys', () => {
  const PHRASE = 'seven words that nobody else would guess'

  it('STO-1 bring an identity to another machine, and nothing in clear', async () => {
    const [at, other] = [await (await home()).open(), await (await home()).open()]
    const { id } = await at.identity('node')
    await at.replace('note', utf8('words that would be seen at once'))
    const backup = await backUpKeys(at, ['node', 'note'], PHRASE, random)
    expect(Buffer.from(backup).includes('words that would')).toBe(false)
    expect(await restoreKeys(other, backup, PHRASE, random)).toEqual(['node', 'note'])
    expect((await other.identity('node')).id).toBe(id)
    expect(await restoreKeys(other, backup, PHRASE, random), 'a second time changes nothing').toEqual([])
  })

  it('STO-1 tell a wrong passphrase from damage, and never put one identity over another', async () => {
    const [at, other] = [await (await home()).open(), await (await home()).open()]
    await at.identity('node')
    await at.identity('owner')
    const backup = await backUpKeys(at, ['owner', 'node'], PHRASE, random)
    expect(await codeOf(restoreKeys(other, backup, `${PHRASE}!`, random))).toBe('keys/wrong-passphrase')
    for (let byte = 0; byte < backup.byteLength; byte++) {
      const damaged = Uint8Array.from(backup)
      damaged[byte] = (damaged[byte] as number) ^ 0x08
      expect(await codeOf(restoreKeys(other, damaged, PHRASE, random)), `byte ${byte}`).toBe(
        'keys/locked-file',
      )
    }
    const { id } = await other.identity('node')
    expect(await codeOf(restoreKeys(other, backup, PHRASE, random))).toBe('keys/restore-conflict')
    expect((await other.identity('node')).id).toBe(id)
    expect(await other.names(), 'all or nothing').toEqual(['node'])
    expect(await codeOf(backUpKeys(at, ['nobody'], PHRASE, random))).toBe('keys/backup-name')
  })
})
