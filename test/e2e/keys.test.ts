import { chmodSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeysView } from '@askee/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, TestMesh, until } from './mesh.ts'

const DEADLINE_MS = 300_000
const DAY = 86_400_000
const USES = ['sealing', 'sealing-inner', 'audit', 'status']

let mesh = new TestMesh()
beforeEach(() => {
  mesh = new TestMesh()
})
afterEach(() => mesh.stop())

const inMesh = (name: string): string => join(mesh.directory, name)
const keys = (name: string, ...args: string[]) => askee(['keys', ...args, '--data', inMesh(name)])
const json = async (name: string, ...args: string[]) =>
  JSON.parse((await keys(name, ...args, '--json')).stdout)

function stateOf(view: KeysView, use: string, kid: string): string | undefined {
  return view.keys.find((key) => key.use === use && key.kid === kid)?.state
}

function activeOf(view: KeysView, use: string): KeysView['keys'][number] {
  return view.keys.find((key) => key.use === use && key.state === 'active') as KeysView['keys'][number]
}

describe('askee keys', () => {
  it(
    'KEY-1 lists, rotates with the old key in grace, and has the same ring after kill -9',
    async () => {
      const node = await mesh.start('node')
      const first: KeysView = await json('node', 'list')
      expect(first.keys.map(({ use }) => use)).toEqual(['signing', ...USES])
      expect(first.keys.every(({ state }) => state === 'active')).toBe(true)
      const sealing = activeOf(first, 'sealing')
      expect((sealing.expires ?? 0) - (sealing.notBefore ?? 0)).toBe(DAY)
      const table = (await keys('node', 'list')).stdout
      for (const told of ['locked by', 'software', 'not before', 'expires', sealing.kid]) {
        expect(table).toContain(told)
      }

      const rotated: KeysView = await json('node', 'rotate', 'sealing')
      expect(stateOf(rotated, 'sealing', sealing.kid)).toBe('grace')
      expect(activeOf(rotated, 'sealing').kid).not.toBe(sealing.kid)
      const [act] = (await node.client.auditLog()).entries.filter(({ action }) => action === 'key.rotated')
      expect(act?.content).toEqual({
        use: 'sealing',
        previous: sealing.kid,
        cause: 'asked',
        kid: activeOf(rotated, 'sealing').kid,
      })
      expect(activeOf(rotated, 'audit').kid).toBe(activeOf(first, 'audit').kid)

      await node.kill()
      await mesh.start('node')
      expect(await json('node', 'list')).toEqual(rotated)
      expect((await keys('node', 'rotate', 'signing')).code).toBe(2)
    },
    DEADLINE_MS,
  )

  it(
    'MSG-2 enters paranoid mode by command, is in it after kill -9, and leaves it by the word of the person alone',
    async () => {
      const node = await mesh.start('node')
      const before = activeOf(await node.client.keys(), 'sealing').kid
      expect((await keys('node', 'paranoid', 'enter')).code).toBe(2)
      expect(await json('node', 'paranoid', 'enter', '--reason', 'drill')).toEqual({ mode: 'paranoid' })
      expect(['compromised', 'destroyed']).toContain(stateOf(await node.client.keys(), 'sealing', before))
      await node.kill()
      const again = await mesh.start('node')
      expect(await again.client.mode()).toEqual({ mode: 'paranoid' })
      expect((await keys('node', 'paranoid', 'leave', '--reason', 'over')).stdout).toContain('normal')
      const acts = (await again.client.auditLog()).entries.map(({ action }) => action)
      expect(acts.filter((action) => action.startsWith('paranoid.'))).toEqual([
        'paranoid.entered',
        'paranoid.left',
      ])
    },
    DEADLINE_MS,
  )

  it(
    'KEY-1 tells other nodes of an emergency at once: they refuse the old key and take the new one',
    async () => {
      await (await mesh.start('one')).stop()
      cpSync(inMesh('one'), inMesh('thief'), { recursive: true })
      const one = await mesh.start('one')
      const other = await mesh.start('other', one.addresses)
      await until('met', async () => (await other.client.status()).peers.includes(one.node))
      const view = (how: string[] = []) => json('other', 'list', '--node', one.node, ...how)
      const before = await view(['--ask'])
      const old: string = before.keys[0].kid
      expect(old).toBe(activeOf(await one.client.keys(), 'sealing').kid)

      expect((await keys('one', 'emergency', '--reason', 'a stolen laptop')).code).toBe(2)
      expect(activeOf(await one.client.keys(), 'sealing').kid).toBe(old)
      const after: KeysView = await json('one', 'emergency', '--reason', 'a stolen laptop', '--yes')
      expect(['compromised', 'destroyed']).toContain(stateOf(after, 'sealing', old))
      expect(existsSync(inMesh(`one/keys/secrets/sealing.${old}.secret`))).toBe(false)
      for (const use of USES) expect(activeOf(after, use).kid).not.toBe(activeOf(after, 'signing').kid)

      // Without asking: the news came by itself.
      await until('told', async () => {
        const known = await view()
        return USES.every((use, i) => known.keys[i].kid === activeOf(after, use).kid)
      })
      const acts = (await one.client.auditLog()).entries.filter(({ action }) => action.startsWith('key.'))
      expect(acts.filter(({ action }) => action === 'key.revoked')).toHaveLength(USES.length)
      expect(acts.at(-1)).toMatchObject({
        action: 'key.emergency',
        outcome: 'done',
        content: { reason: 'a stolen laptop' },
      })

      // Whoever holds the keys of before, and shows them in this node's name, is not believed.
      await one.kill()
      const thief = await mesh.start('thief', other.addresses)
      expect(thief.node).toBe(one.node)
      expect(activeOf(await thief.client.keys(), 'sealing').kid).toBe(old)
      // The connection to the killed one may take a while to be known dead.
      await until('asked', async () => (await view(['--ask'])).keys !== undefined)
      expect((await view()).keys[0].kid).toBe(activeOf(after, 'sealing').kid)
    },
    DEADLINE_MS,
  )

  it(
    'KEY-2 comes back from a backup as the same node that opens the same databases',
    async () => {
      const peer = await mesh.start('peer')
      const node = await mesh.start('node', peer.addresses)
      await grant(node, peer)
      const held = await node.client.consents()
      const secret = inMesh('passphrase')
      writeFileSync(secret, 'correct horse battery staple\n', { mode: 0o600 })
      const behind = ['--passphrase-file', secret]
      const file = inMesh('keys.backup')
      const made = await json('node', 'backup', file, ...behind)
      expect(made).toMatchObject({ node: node.node, file })
      expect(statSync(file).mode & 0o077).toBe(0)
      expect((await keys('node', 'backup', file, ...behind)).code).toBe(2)
      expect((await json('node', 'restore', file, ...behind)).error.code).toBe('store/in-use')
      const before = await node.client.status()
      await node.stop()
      expect((await json('node', 'restore', file, ...behind)).error.code).toBe('agent/restore-occupied')

      const wrong = inMesh('wrong')
      writeFileSync(wrong, 'another\n', { mode: 0o600 })
      const refused = await json('new', 'restore', file, '--passphrase-file', wrong)
      expect(refused.error.code).toBe('keys/wrong-passphrase')
      const changed = inMesh('changed.backup')
      const bytes = readFileSync(file)
      bytes[bytes.byteLength >> 1] = (bytes[bytes.byteLength >> 1] as number) ^ 1
      writeFileSync(changed, bytes)
      expect((await json('new', 'restore', changed, ...behind)).error.code).toBe('keys/locked-file')
      chmodSync(wrong, 0o644)
      const open = await json('new', 'restore', file, '--passphrase-file', wrong)
      expect(open.error.code).toBe('agent/secret-file')
      expect(existsSync(inMesh('new/keys'))).toBe(false)
      expect(existsSync(inMesh('new/keys.restoring'))).toBe(false)

      // Behind another kind of device key than before.
      const device = ['--device-key', 'passphrase', '--device-passphrase-file', secret]
      expect(await json('new', 'restore', file, ...behind, ...device)).toMatchObject({ node: node.node })
      const names = ['audit.db', 'consents.db', 'witness.db', 'compute.db', 'credit.db', 'generations']
      for (const name of [...names, 'blocks']) {
        if (existsSync(inMesh(`node/${name}`))) {
          cpSync(inMesh(`node/${name}`), inMesh(`new/${name}`), { recursive: true })
        }
      }
      const again = await mesh.start('new', peer.addresses, ['--device-key', 'passphrase', ...behind])
      expect(again.node).toBe(node.node)
      const status = await again.client.status()
      expect(status).toMatchObject({ owner: before.owner, deviceKey: { provider: 'passphrase' } })
      expect(await again.client.consents()).toEqual(held)
      const { entries } = await again.client.auditLog({ limit: 1000 })
      expect(entries.find(({ action }) => action === 'consent.granted')).toMatchObject({ state: 'readable' })
      expect((await again.client.verifyAudit()).findings).toEqual([])
      // Its keys are new, and the peer takes them although the lost ones were good for a day.
      const fresh = await again.client.keys()
      await until('taken', async () => {
        const known = await peer.client.peerKeys(node.node, 'known')
        return known.keys[0]?.kid === activeOf(fresh, 'sealing').kid
      })
    },
    DEADLINE_MS,
  )

  it(
    'KEY-2 says of a device key in a file what it protects from',
    async () => {
      await mesh.start('node')
      const { stdout } = await askee(['status', '--data', inMesh('node')])
      expect(stdout).toContain('software')
      expect(stdout).toContain('protects only copies of the disk without that file')
    },
    DEADLINE_MS,
  )
})
