import { digestOf, type Fuel, utf8 } from '@askee/core'
import { seededRandom } from '@askee/core/testing'
import { createIdentity, signDocument } from '@askee/keys'
import { describe, expect, it } from 'vitest'
import { enginesOf, type Manifest, signManifest, verifyManifest } from '../src/protocol/manifest.ts'

const identity = createIdentity(seededRandom(1))
const DIGEST = digestOf(utf8('anything'))
const plain: Manifest = {
  v: 1,
  requester: identity.id,
  purpose: 'a test',
  kind: 'scientific-compute',
  module: DIGEST,
  inputs: DIGEST,
  count: 1,
  resources: { fuel: 1n as Fuel, memoryBytes: 65_536, outputBytes: 0, wallTime: 1 },
  f: 1,
  created: 1,
  deadline: 2,
  minReputation: 0,
  nonce: new Uint8Array(16),
}

/** As somebody would sign it who does not look at its form. */
function signed(manifest: object): Uint8Array {
  return signDocument(identity, 'askee/campaign/1', manifest)
}

describe('campaign manifests', () => {
  it('CMP-1 says in version 2 which engines must agree; version 1 means any', () => {
    const diverse = { ...plain, v: 2, engines: 'diverse' } as const
    for (const [manifest, engines] of [
      [plain, 'any'],
      [{ ...diverse, engines: 'any' }, 'any'],
      [diverse, 'diverse'],
    ] as const) {
      const { bytes, id } = signManifest(identity, manifest)
      const read = verifyManifest(bytes)
      expect(read.manifest).toEqual(manifest)
      expect(read.id).toBe(id)
      expect(enginesOf(read.manifest)).toBe(engines)
    }
  })

  it('CMP-1 refuses a field that its version does not have, values it does not know, and other versions', () => {
    for (const wrong of [
      { ...plain, engines: 'any' },
      { ...plain, v: 2 },
      { ...plain, v: 2, engines: 'many' },
      { ...plain, v: 3, engines: 'any' },
      { ...plain, v: 0 },
    ]) {
      expect(() => verifyManifest(signed(wrong))).toThrowError(
        expect.objectContaining({ code: 'codec/schema' }),
      )
    }
  })
})
