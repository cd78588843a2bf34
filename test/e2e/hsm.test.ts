import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { initialiseToken, PIN, softHsm, TOKEN_LABEL } from '../../packages/keys/test/support/soft-hsm.ts'
import { askee } from './askee.ts'
import { TestMesh } from './mesh.ts'

const DEADLINE_MS = 300_000
const HOUR = 3_600_000
const missing = 'missing' in softHsm ? softHsm.missing : undefined
if (missing !== undefined) process.stderr.write(`askee with a token: skipped, ${missing}\n`)

let mesh = new TestMesh()
let removeToken = (): void => {}
/** Options as a person gives them, with the PIN in a file. */
let token: string[] = []
let wrongPin: string[] = []

const inMesh = (name: string): string => join(mesh.directory, name)
const optionsWith = (name: string, pin: string): string[] => {
  writeFileSync(inMesh(name), `${pin}\n`, { mode: 0o600 })
  const module = 'module' in softHsm ? softHsm.module : ''
  const where = ['--pkcs11-module', module, '--pkcs11-token', TOKEN_LABEL]
  return ['--device-key', 'pkcs11', ...where, '--pin-file', inMesh(name)]
}
const json = async (...args: string[]) => JSON.parse((await askee([...args, '--json'])).stdout)

/** No token in any slot, as when it is unplugged, until `work` ends. */
async function unplugged<T>(work: () => Promise<T>): Promise<T> {
  const tokens = join(dirname(process.env.SOFTHSM2_CONF as string), 'tokens')
  renameSync(tokens, `${tokens}.away`)
  mkdirSync(tokens)
  try {
    return await work()
  } finally {
    rmSync(tokens, { recursive: true })
    renameSync(`${tokens}.away`, tokens)
  }
}

function openssl(...args: string[]): string {
  const { error, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  return error === undefined ? `${stdout}${stderr}` : 'not installed'
}

beforeAll(() => {
  if (missing === undefined) removeToken = initialiseToken()
})
afterAll(() => removeToken())
beforeEach(() => {
  mesh = new TestMesh()
  token = optionsWith('pin', PIN)
  wrongPin = optionsWith('wrong-pin', '000000')
})
afterEach(() => mesh.stop())

describe.skipIf(missing !== undefined)(`askee with a token (${missing ?? 'SoftHSM'})`, () => {
  it(
    'KEY-2 keeps an agent behind a token: the same node again, and none with a wrong PIN or without the token',
    async () => {
      const first = await mesh.start('node', [], token)
      expect((await first.client.status()).deviceKey.provider).toBe('pkcs11')
      const keys = await first.client.keys()
      await first.stop()
      expect(existsSync(inMesh('node/keys/device.key'))).toBe(false)

      const again = await mesh.start('node', [], token)
      expect(again.node).toBe(first.node)
      expect(await again.client.keys()).toEqual(keys)
      await again.kill()

      const start = (options: string[]) =>
        json('agent', '--data', inMesh('node'), '--network', 'local', '--no-mdns', ...options)
      expect((await start(wrongPin)).error.code).toBe('keys/wrong-pin')
      expect((await unplugged(() => start(token))).error.code).toBe('keys/no-token')
      // Another kind of device key opens nothing, and takes nothing over.
      expect((await start([])).error.code).toBe('agent/keys-missing')
      expect((await mesh.start('node', [], token)).node).toBe(first.node)
    },
    DEADLINE_MS,
  )

  it(
    'KEY-3 issues and revokes certificates of nodes under a root in a token, as our verifier and openssl see it',
    async () => {
      const node = await mesh.start('node')
      const house = inMesh('house')
      const at = (name: string): string => join(house, name)
      const made = await json('authority', 'init', house, '--name', 'Test House', ...token)
      expect(made).toEqual({ directory: house })
      const twice = await json('authority', 'init', house, '--name', 'Another', ...token)
      expect(twice.error.code).toBe('agent/authority-exists')
      // Another folder takes no keys over that the token holds already.
      const second = inMesh('second-house')
      const over = await json('authority', 'init', second, '--name', 'Test House', ...token)
      expect(over.error.code).toBe('agent/authority-keys-held')

      const asked = inMesh('asked')
      const want = ['--capabilities', 'compute,operate', '--hours', '48']
      await json('keys', 'request', asked, ...want, '--data', inMesh('node'))
      const pem = inMesh('node.pem')
      const issue = ['authority', 'issue', house, asked, pem, '--allow', 'compute,witness']
      expect((await json(...issue, ...wrongPin)).error.code).toBe('keys/wrong-pin')
      expect((await unplugged(() => json(...issue, ...token))).error.code).toBe('keys/no-token')
      expect(existsSync(pem)).toBe(false)
      const issued = await json(...issue, ...token)
      expect(issued).toMatchObject({ node: node.node, capabilities: ['compute'] })
      const hours = (issued.notAfter - Date.now()) / HOUR
      expect(hours).toBeGreaterThan(47)
      expect(hours).toBeLessThanOrEqual(48)

      // Verified without the token, which stays where it is.
      const verify = (...more: string[]) => unplugged(() => json('authority', 'verify', house, pem, ...more))
      expect(await verify()).toMatchObject({ node: node.node, serial: issued.serial })
      expect((await verify('--capability', 'operate')).error.code).toBe('certificate/capability')
      const lists = inMesh('lists.pem')
      const seenByOpenssl = (): string => {
        writeFileSync(
          lists,
          ['root-list.pem', 'intermediate-list.pem'].map((name) => readFileSync(at(name))).join(''),
        )
        const trust = ['-CAfile', at('root.pem'), '-untrusted', at('intermediate.pem')]
        return openssl('verify', ...trust, '-crl_check_all', '-CRLfile', lists, pem)
      }
      const hasOpenssl = openssl('version') !== 'not installed'
      if (hasOpenssl) expect(seenByOpenssl()).toContain(`${pem}: OK`)

      await json('authority', 'revoke', house, issued.serial, 'compromised', ...token)
      expect((await verify()).error.code).toBe('certificate/revoked')
      await json('authority', 'lists', house, ...token)
      expect((await verify()).error.code).toBe('certificate/revoked')
      if (hasOpenssl) expect(seenByOpenssl()).toContain('certificate revoked')

      // The folder is lost: the token and what was published are enough to go on, where a person says so.
      for (const name of ['root', 'intermediate', 'root-list', 'intermediate-list']) {
        cpSync(at(`${name}.pem`), join(second, `${name}.pem`))
      }
      const publish = ['authority', 'lists', second, ...token]
      expect((await json(...publish)).error.code).toBe('agent/authority-state-missing')
      const recovered = await json('authority', 'recover', second, ...token)
      expect(recovered.intermediate.revoked).toBe(1)
      expect(await json(...publish)).toEqual({ directory: second })
      const again = await json('authority', 'verify', second, pem)
      expect(again.error.code).toBe('certificate/revoked')

      // A new intermediate, whose key is made in the token too; the one before it is revoked.
      const renew = ['authority', 'renew-intermediate', second]
      expect((await json(...renew, ...wrongPin)).error.code).toBe('keys/wrong-pin')
      await json('keys', 'request', asked, ...want, '--data', inMesh('node'))
      const [older, newer] = [inMesh('older.pem'), inMesh('newer.pem')]
      const under = (file: string) => ['authority', 'issue', second, asked, file, '--allow', 'compute']
      expect(await json(...under(older), ...token)).toMatchObject({ node: node.node })
      const renewed = await json(...renew, '--revoke-old', 'compromised', ...token)
      expect(renewed).toMatchObject({ name: 'intermediate-2', old: { isRevoked: true } })
      expect(await json(...under(newer), ...token)).toMatchObject({ node: node.node })
      await json(...publish)
      const seen = (file: string) => unplugged(() => json('authority', 'verify', second, file))
      expect((await seen(older)).error.code).toBe('certificate/intermediate-revoked')
      expect(await seen(newer)).toMatchObject({ node: node.node })
      if (hasOpenssl) {
        const all = ['root-list', 'intermediate-list', 'intermediate-2-list']
        writeFileSync(lists, all.map((name) => readFileSync(join(second, `${name}.pem`))).join(''))
        const trust = ['-CAfile', join(second, 'root.pem'), '-crl_check_all', '-CRLfile', lists]
        expect(openssl('verify', ...trust, '-untrusted', older, older)).toContain('certificate revoked')
        expect(openssl('verify', ...trust, '-untrusted', newer, newer)).toContain(`${newer}: OK`)
      }
    },
    DEADLINE_MS,
  )
})
