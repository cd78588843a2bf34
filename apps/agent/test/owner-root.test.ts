import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, errorCode, systemClock, systemRandom } from '@askee/core'
import {
  certifyNode,
  createIdentity,
  type Identity,
  signAdoption,
  signIdentityVoid,
  type VoidBook,
  verifyAdoption,
  verifyIdentityVoid,
} from '@askee/keys'
import { afterAll, describe, expect, it } from 'vitest'
import { backUpSecrets, restoreBackup } from '../src/backup.ts'
import { openOwnerRoot } from '../src/owner-root.ts'
import { agentPaths } from '../src/paths.ts'
import { openSecrets, type Secrets } from '../src/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-owner-root-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PASSPHRASE = 'correct horse battery staple'
const deviceKey = { provider: 'software' } as const
let homes = 0
const home = (): string => join(folder, `${homes++}`)
const secretsOf = (directory: string) => openSecrets(deviceKey, agentPaths(directory), systemRandom)

async function ownerRootOf({ node, keyStore }: Secrets) {
  const acts: AuditEvent[] = []
  const voids: VoidBook = {
    start: async () => {},
    stop: async () => {},
    publish: async (document) => verifyIdentityVoid(document),
  }
  const audit = {
    append: async (act: AuditEvent) => ({ index: acts.push(act) - 1, leaf: '' }),
  }
  return {
    acts,
    part: await openOwnerRoot({ identity: node, store: keyStore, voids, audit, clock: systemClock }),
  }
}

describe("a node and its owner's root", () => {
  const root = createIdentity(systemRandom)

  it('KEY-1 keep what they said of each other, through a backup too, and write it down', async () => {
    const secrets = await secretsOf(home())
    const { part, acts } = await ownerRootOf(secrets)
    expect(part.tie()).toBe(null)
    const adoption = await part.adopt(root.id)
    expect(verifyAdoption(adoption)).toEqual({ node: secrets.node.id, root: root.id })
    const tie = { root: root.id, certifiedAt: 5 }
    expect(await part.keep(certifyNode(root, secrets.node.id, 5), adoption)).toEqual(tie)
    expect(part.tie()).toEqual(tie)
    await part.publish(signIdentityVoid(root, adoption, { at: 7, reason: 'ended' }))
    expect(acts.map(({ action }) => action)).toEqual(['key.root-adopted'])

    const backup = await backUpSecrets(secrets.keyStore, secrets.sealing.key, PASSPHRASE)
    const dataDirectory = home()
    await restoreBackup({ dataDirectory, deviceKey, backup, passphrase: PASSPHRASE })
    expect((await ownerRootOf(await secretsOf(dataDirectory))).part.tie()).toEqual(tie)
  })

  it('KEY-1 keep nothing that is of another node or root', async () => {
    const secrets = await secretsOf(home())
    const { part } = await ownerRootOf(secrets)
    const [other, otherRoot] = [createIdentity(systemRandom), createIdentity(systemRandom)]
    const adoption = await part.adopt(root.id)
    const certificate = certifyNode(root, secrets.node.id, 5)
    const adopted = (node: Identity, by: Identity) => signAdoption(node, by.id, 5)
    const table = [
      [certifyNode(root, other.id, 5), adoption, 'agent/owner-root'],
      [certifyNode(otherRoot, secrets.node.id, 5), adoption, 'agent/owner-root'],
      [certificate, adopted(other, root), 'agent/owner-root'],
      [certificate, adopted(secrets.node, otherRoot), 'agent/owner-root'],
      [adoption, certificate, 'signature/invalid'],
      [certificate.subarray(1), adoption, 'codec/malformed'],
    ] as const
    for (const [given, by, code] of table) {
      const kept = await part.keep(given, by).then(
        () => 'kept',
        (error: unknown) => errorCode(error),
      )
      expect(kept).toBe(code)
    }
    expect(part.tie()).toBe(null)
    await expect(part.adopt('no id' as never)).rejects.toThrow()
  })
})
