import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, systemRandom as random, silentLogger } from '@askee/core'
import { createMemoryMeshNetwork, eventually, VirtualTime } from '@askee/core/testing'
import {
  CHAIN_USES,
  type ChainUse,
  createIdentity,
  type KeyStore,
  keyTopics,
  openKeyStore,
  openSoftwareDeviceKey,
} from '@askee/keys'
import { afterAll, describe, expect, it } from 'vitest'
import { createNodeKeys, type NodeKeys } from '../src/keys.ts'

const HOUR = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'askee-node-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let homes = 0
async function keyStore(): Promise<KeyStore> {
  const directory = join(folder, `${homes++}`)
  const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
  return openKeyStore({ directory, deviceKey, random })
}

async function setting() {
  const time = new VirtualTime()
  await time.advance(1_000_000)
  const identity = createIdentity(random)
  const mesh = createMemoryMeshNetwork({ timers: time, clock: time }).node(identity.id, {
    topics: keyTopics(time),
  })
  await mesh.start()
  const store = await keyStore()
  const log: AuditEvent[] = []
  const full = { isFull: false }
  const audit = {
    append: async (event: AuditEvent) => {
      if (full.isFull) throw new Error('no space left')
      log.push(event)
      return { index: log.length - 1, leaf: '' }
    },
  }
  const parts = {
    identity,
    owner: identity.id,
    store,
    mesh,
    audit,
    clock: time,
    timers: time,
    random,
    logger: silentLogger,
    isKnown: () => false,
    isAdmitted: () => false,
  }
  const rotations = () => log.filter(({ action }) => action === 'key.rotated').map(({ content }) => content)
  return { time, parts, log, full, rotations }
}

function active(keys: NodeKeys, use: ChainUse): string | undefined {
  return keys.keys().find((key) => key.use === use && key.state === 'active')?.kid
}

describe('the keys of a node', () => {
  it('KEY-1 writes once which key followed which and why, also over a restart', async () => {
    const { time, parts, rotations } = await setting()
    const keys = createNodeKeys(parts)
    await keys.start()
    const first = active(keys, 'sealing')
    expect(rotations()).toEqual([])

    await time.advance(23 * HOUR + 120_000)
    await eventually(() => expect(rotations()).toHaveLength(2))
    expect(rotations()[0]).toMatchObject({ use: 'sealing', previous: first, cause: 'due' })
    await time.advance(HOUR)
    await eventually(() => expect(active(keys, 'sealing')).toBe(rotations()[0]?.kid))
    const second = active(keys, 'sealing')

    await keys.rotate(['sealing'])
    const third = active(keys, 'sealing')
    expect(rotations()).toHaveLength(3)
    expect(rotations()[2]).toEqual({ use: 'sealing', previous: second, kid: third, cause: 'asked' })
    await keys.stop()

    await time.advance(1000)
    const again = createNodeKeys(parts)
    await again.start()
    expect(active(again, 'sealing')).toBe(third)
    expect(rotations()).toHaveLength(3)
    await again.stop()
  })

  it('KEY-1 writes which key followed which whatever was done to the clock, and nothing twice', async () => {
    const { time, parts, rotations } = await setting()
    let ahead = 0
    const clock = { now: () => time.now() + ahead, monotonic: () => time.monotonic() }
    const keys = createNodeKeys({ ...parts, clock })
    await keys.start()
    const first = active(keys, 'status')
    await keys.stop()

    await time.advance(HOUR)
    const again = createNodeKeys({ ...parts, clock })
    await again.start()
    ahead = -2 * HOUR
    await again.rotate(['status'])
    expect(rotations()).toEqual([{ use: 'status', previous: first, kid: expect.anything(), cause: 'asked' }])
    // And one that was made while it was ahead is not made again by the next process.
    ahead = 2 * HOUR
    await again.rotate(['status'])
    expect(rotations()).toHaveLength(2)
    await again.stop()
    ahead = 0
    const last = createNodeKeys({ ...parts, clock })
    await last.start()
    expect(rotations()).toHaveLength(2)
    await last.stop()
  })

  it('KEY-1 names the cause of each act, and not that of what is done beside it', async () => {
    const { time, parts, rotations } = await setting()
    const keys = createNodeKeys(parts)
    await keys.start()
    // All at once: what time asks for, what a person asks for, and an emergency.
    await Promise.all([
      time.advance(23 * HOUR + 120_000),
      keys.rotate(['status']),
      keys.emergency('stolen', ['audit']),
      keys.rotate(['status']),
    ])
    await eventually(() => expect(rotations().length).toBeGreaterThanOrEqual(4))
    const causes = rotations().map(({ use, cause }) => `${use} ${cause}`)
    expect(causes.toSorted()).toEqual(['sealing due', 'sealing-inner due', 'status asked', 'status asked'])
    await keys.stop()
  })

  it('KEY-1 voids keys in an emergency although nothing can be written down, and says so', async () => {
    const { parts, log, full, rotations } = await setting()
    const keys = createNodeKeys(parts)
    await keys.start()
    const before = CHAIN_USES.map((use) => active(keys, use))
    full.isFull = true
    await expect(keys.emergency('stolen')).rejects.toThrow('no space left')
    const held = (await parts.store.names()).filter((name) => before.some((kid) => name.endsWith(`${kid}`)))
    expect(held).toEqual([])
    for (const [i, use] of CHAIN_USES.entries()) {
      expect(active(keys, use)).toBeDefined()
      expect(active(keys, use)).not.toBe(before[i])
    }
    full.isFull = false
    await keys.emergency('stolen', ['audit'])
    expect(log.at(-1)).toMatchObject({
      action: 'key.emergency',
      content: { uses: 'audit', reason: 'stolen' },
    })
    expect(rotations()).toEqual([])
    await keys.stop()
  })
})
