import { encode, silentLogger, systemClock, systemRandom } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import { createWitness, notesOfWitnesses, signCheckpoint, WITNESS_MIGRATIONS } from '../src/index.ts'
import { WITNESS_LIMITS, WITNESS_PROTOCOL } from '../src/witness/protocol.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function meshes() {
  const network = createMemoryMeshNetwork()
  const node = async (identity: Identity) => {
    const mesh = network.node(identity.id, { topics: new Map() })
    await mesh.start()
    stops.push(() => mesh.stop())
    return mesh
  }
  const owner = createIdentity(systemRandom)
  return { owner, mesh: await node(owner), node }
}

const parts = { clock: systemClock, logger: silentLogger }
const noteOf = (signer: Identity, size: number, byte: number): string =>
  signCheckpoint(signer, { size, root: new Uint8Array(32).fill(byte), extensions: [] })

describe('what witnesses keep', () => {
  it('AUD-1 is what they cosigned before, whatever log is shown to them now', async () => {
    const { owner, mesh, node } = await meshes()
    const identity = createIdentity(systemRandom)
    const database = openDatabase(':memory:', WITNESS_MIGRATIONS)
    await createWitness({ ...parts, identity, mesh: await node(identity), database }).start()
    const shown = noteOf(owner, 7, 1)
    expect(await notesOfWitnesses({ mesh, ...parts }, owner.id, shown)).toEqual([])
    const forked = noteOf(owner, 7, 2)
    expect(await notesOfWitnesses({ mesh, ...parts }, owner.id, forked)).toEqual([
      { witness: identity.id, note: shown },
    ])
  })

  it('AUD-1 is not taken from a node that shows the log of another, or nothing that can be read', async () => {
    const { owner, mesh, node } = await meshes()
    const liar = createIdentity(systemRandom)
    const note = noteOf(liar, 9, 1)
    const answers = [encode({ state: 'known', size: 9, note }), new Uint8Array(9)]
    for (const answer of answers) {
      const lying = await node(createIdentity(systemRandom))
      lying.handle(WITNESS_PROTOCOL, WITNESS_LIMITS, async () => answer)
    }
    expect(await notesOfWitnesses({ mesh, ...parts }, owner.id, noteOf(owner, 1, 1))).toEqual([])
  })
})
