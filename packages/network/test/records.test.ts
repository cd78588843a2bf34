import {
  bytesEqual,
  concat,
  MAX_RECORD_BYTES,
  type NodeId,
  OwnRecords,
  silentLogger,
  systemClock,
  systemRandom,
  utf8,
} from '@askee/core'
import { eventually, seededRandom, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { Record as DhtRecord } from '@libp2p/kad-dht'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { REPUT_MAX_MS, REPUT_MIN_MS } from '../src/defaults.ts'
import { decodeRecord, dhtKey, encodeRecord } from '../src/records/codec.ts'
import { GuardedDatastore, recordEntry } from '../src/records/guarded-datastore.ts'
import { RecordUpkeep } from '../src/records/upkeep.ts'
import { recordRules } from '../src/records/validator.ts'
import {
  confirmNothing,
  connectTo,
  forgedRecord,
  type HostileNode,
  hostileNode,
  keyFor,
  putDirectly,
  StubbornDatastore,
} from './hostile.ts'
import { connect, connectedNodes, loopbackNode } from './nodes.ts'

const HOUR_MS = 3_600_000
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function start(count: number) {
  const nodes = await connectedNodes(count)
  stops.push(async () => void (await Promise.all(nodes.map((node) => node.stop()))))
  return nodes
}

async function startHostile(datastore?: StubbornDatastore): Promise<HostileNode> {
  const hostile = await hostileNode(datastore)
  stops.push(async () => hostile.stop())
  return hostile
}

function draft(sequence: number, text = `version ${sequence}`) {
  return { namespace: 'test', name: 'r', value: utf8(text), sequence, expires: Date.now() + HOUR_MS }
}

describe('records against hostile peers', () => {
  it('NET-2 refuses an older valid record replayed by PUT_VALUE, and keeps the newer', async () => {
    const identity = createIdentity(systemRandom)
    const owner = loopbackNode({}, { identity })
    const holder = loopbackNode()
    await Promise.all([owner.start(), holder.start()])
    stops.push(
      () => owner.stop(),
      () => holder.stop(),
    )
    await connect([owner, holder])
    await owner.putRecord(draft(2), { quorum: 1 })
    const hostile = await startHostile()
    await connectTo(hostile, holder.addresses()[0] as string)
    const old = encodeRecord(identity, draft(1)).bytes
    expect(await putDirectly(hostile, holder.self, keyFor(owner.self), old)).toBe(false)
    await owner.stop()
    const found = await holder.getRecord({ namespace: 'test', owner: owner.self, name: 'r' })
    expect(found?.sequence).toBe(2)
    // The replay fails for its age alone: a newer one from the same stranger is taken.
    const next = encodeRecord(identity, draft(3)).bytes
    expect(await putDirectly(hostile, holder.self, keyFor(owner.self), next)).toBe(true)
  })

  it('NET-2 CON-5 puts a record above one of a clock that was ahead, which only some nodes hold', async () => {
    const identity = createIdentity(systemRandom)
    const [first, again] = [loopbackNode({}, { identity }), loopbackNode({}, { identity })]
    const [old, late] = [loopbackNode(), loopbackNode()]
    const all = [first, again, old, late]
    stops.push(async () => void (await Promise.all(all.map((node) => node.stop()))))
    await Promise.all([first, old].map((node) => node.start()))
    await connect([first, old])
    await first.putRecord(draft(Date.now() + 48 * HOUR_MS, 'old'), { quorum: 1 })
    await first.stop()
    // Without its own copy, and among nodes one of which never saw the old record and acknowledges whatever comes.
    await Promise.all([again, late].map((node) => node.start()))
    await connect([again, old, late])
    const { sequence: _, ...next } = draft(0, 'new')
    await new OwnRecords({ mesh: again, clock: systemClock }).putNext(next, { quorum: 1 })
    for (const node of [old, late]) {
      const found = await node.getRecord({ namespace: 'test', owner: again.self, name: 'r' })
      expect(found?.value).toEqual(utf8('new'))
    }
  })

  it('NET-2 refuses records wrongly signed, oversize, expired, under another key or namespace', async () => {
    const [holder] = await start(1)
    const hostile = await startHostile()
    await connectTo(hostile, holder!.addresses()[0] as string)
    const owner = createIdentity(systemRandom)
    const stranger = createIdentity(systemRandom)
    const good = forgedRecord(owner, {})
    const put = (key: Uint8Array, value: Uint8Array) => putDirectly(hostile, holder!.self, key, value)
    const flipped = Uint8Array.from(good)
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1
    expect(await put(keyFor(owner.id), flipped)).toBe(false)
    expect(await put(keyFor(owner.id), forgedRecord(stranger, {}))).toBe(false)
    expect(await put(keyFor(owner.id, 'other'), good)).toBe(false)
    expect(await put(keyFor(owner.id), forgedRecord(owner, {}, 'askee/receipt/1'))).toBe(false)
    expect(await put(keyFor(owner.id), forgedRecord(owner, { expires: Date.now() - 1 }))).toBe(false)
    expect(
      await put(keyFor(owner.id), forgedRecord(owner, { value: new Uint8Array(MAX_RECORD_BYTES - 100) })),
    ).toBe(false)
    expect(await put(keyFor(owner.id), forgedRecord(owner, { extra: 1 }))).toBe(false)
    expect(await put(utf8(`/other/test/${owner.id}/r`), good)).toBe(false)
    expect(await put(concat(utf8('/pk/'), utf8(owner.id)), owner.publicKey)).toBe(false)
    expect(await put(keyFor(owner.id), good)).toBe(true)
  })

  it('NET-2 finds the newest record although one bad peer holds an old one and refuses its correction', async () => {
    const identity = createIdentity(systemRandom)
    const owner = loopbackNode({}, { identity })
    const others = [loopbackNode(), loopbackNode()]
    await Promise.all([owner, ...others].map((node) => node.start()))
    stops.push(async () => void (await Promise.all([owner, ...others].map((node) => node.stop()))))
    const datastore = new StubbornDatastore()
    const hostile = await startHostile(datastore)
    await connect([owner, ...others])
    for (const node of [owner, ...others]) await connectTo(hostile, node.addresses()[0] as string)
    for (const node of others) {
      await eventually(async () => (await node.closestPeers(utf8('x'), 9)).length === 3)
    }
    expect(
      await putDirectlyTo(hostile, datastore, keyFor(owner.self), encodeRecord(identity, draft(1)).bytes),
    ).toBe(true)
    expect(await owner.putRecord(draft(2), { quorum: 2 })).toEqual({ acknowledged: 2 })
    for (const node of others) {
      const found = await node.getRecord({ namespace: 'test', owner: owner.self, name: 'r' })
      expect(found?.sequence).toBe(2)
    }
  })

  it('NET-2 counts neither a peer that refuses a record nor one that confirms another', async () => {
    const [owner] = await start(1)
    const refusing = new StubbornDatastore()
    refusing.frozen = true
    const hostiles = [await startHostile(refusing), await startHostile()]
    confirmNothing(hostiles[1] as HostileNode)
    for (const hostile of hostiles) await connectTo(hostile, owner!.addresses()[0] as string)
    await eventually(async () => (await owner!.closestPeers(utf8('x'), 9)).length === 2)
    await expect(owner!.putRecord(draft(1), { quorum: 1 })).rejects.toMatchObject({
      code: 'mesh/no-quorum',
      details: { acknowledged: 0 },
    })
  })
})

/** Gives the hostile node an old record and lets it hold on to it. */
async function putDirectlyTo(
  hostile: HostileNode,
  datastore: StubbornDatastore,
  key: Uint8Array,
  value: Uint8Array,
): Promise<boolean> {
  datastore.put(recordEntry(key), new DhtRecord(key, value, new Date()).serialize())
  datastore.frozen = true
  return hostile.status === 'started'
}

describe('the codec of records', () => {
  const identity = createIdentity(systemRandom)

  it('NET-2 reads what it wrote, and refuses it after any change of one byte', () => {
    fc.assert(
      fc.property(
        fc.record({
          namespace: fc.stringMatching(/^[a-z0-9-]{1,32}$/),
          name: fc.stringMatching(/^[!-~]{1,128}$/),
          value: fc.uint8Array({ maxLength: 200 }),
          sequence: fc.nat(),
          expires: fc.integer({ min: 1001, max: 1e12 }),
        }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (draft, position, flip) => {
          const { record, bytes } = encodeRecord(identity, draft)
          const key = dhtKey(record)
          expect(decodeRecord(key, bytes, 1000).record).toEqual({ ...draft, owner: identity.id })
          const changed = Uint8Array.from(bytes)
          changed[position % bytes.length] = (changed[position % bytes.length] as number) ^ flip
          expect(() => decodeRecord(key, changed, 1000)).toThrow()
        },
      ),
      { numRuns: 100 },
    )
  })

  it('NET-2 selects the same newest record from any order, and never an invalid one', async () => {
    const time = new VirtualTime(1000)
    const { selectors } = recordRules(time)
    const key = keyFor(identity.id)
    const records = [1, 2, 2, 3].map((sequence, i) =>
      forgedRecord(identity, { sequence, value: utf8(`${i}`), expires: 2000 }),
    )
    const expired = forgedRecord(identity, { sequence: 9, expires: 999 })
    const foreign = forgedRecord(createIdentity(systemRandom), { sequence: 9, expires: 2000 })
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...records, expired, foreign], { minLength: 1 }),
        async (values) => {
          const chosen = values[await selectors.askee!(key, values)] as Uint8Array
          const best = [...records].reverse().find((record) => values.includes(record))
          if (best !== undefined && values.includes(records[3]!)) expect(chosen).toBe(records[3])
          if (best !== undefined) expect([expired, foreign]).not.toContain(chosen)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('the datastore behind the DHT', () => {
  const time = new VirtualTime()
  const identity = createIdentity(systemRandom)
  const wrap = (value: Uint8Array, name = 'r', owner: NodeId = identity.id) =>
    new DhtRecord(keyFor(owner, name), value, new Date(time.now())).serialize()
  const record = (sequence: number, name = 'r') =>
    forgedRecord(identity, { sequence, name, expires: time.now() + HOUR_MS })

  it('NET-2 holds the newest of any sequence of puts', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 20 }), (sequences) => {
        const store = new GuardedDatastore(time, identity.id)
        const key = recordEntry(keyFor(identity.id))
        for (const sequence of sequences) {
          try {
            store.put(key, wrap(record(sequence)))
          } catch (error) {
            expect(error).toMatchObject({ code: 'mesh/stale-record' })
          }
        }
        const held = DhtRecord.deserialize(store.get(key))
        expect(decodeRecord(held.key, held.value, time.now()).record.sequence).toBe(Math.max(...sequences))
      }),
      { numRuns: 40 },
    )
  })

  it('NET-2 lets an expired record be replaced by an older one that still holds', async () => {
    const store = new GuardedDatastore(time, identity.id)
    const key = recordEntry(keyFor(identity.id))
    store.put(key, wrap(forgedRecord(identity, { sequence: 5, expires: time.now() + 10 })))
    await time.advance(20)
    store.put(key, wrap(record(4)))
    expect(bytesEqual(DhtRecord.deserialize(store.get(key)).value, record(4))).toBe(true)
  })

  it('NET-2 sweeps what has expired or was not renewed for 48 hours', async () => {
    const store = new GuardedDatastore(time, identity.id)
    const names = ['short', 'forgotten', 'renewed']
    const keys = names.map((name) => recordEntry(keyFor(identity.id, name)))
    const put = (i: number, hours: number) =>
      store.put(
        keys[i]!,
        wrap(forgedRecord(identity, { name: names[i], expires: time.now() + hours * HOUR_MS }), names[i]),
      )
    put(0, 1)
    put(1, 1000)
    put(2, 1000)
    const upkeep = upkeepOf(store, async () => {})
    await upkeep.run()
    expect(keys.map((key) => store.has(key))).toEqual([true, true, true])
    await time.advance(2 * HOUR_MS)
    await upkeep.run()
    expect(keys.map((key) => store.has(key))).toEqual([false, true, true])
    put(2, 1000)
    await time.advance(47 * HOUR_MS)
    await upkeep.run()
    expect(keys.map((key) => store.has(key))).toEqual([false, false, true])
  })

  it('NET-2 puts own records again between 12 and 22 hours later, for as long as they hold', async () => {
    const puts: number[] = []
    const start = time.now()
    const upkeep = upkeepOf(new GuardedDatastore(time, identity.id), async () => {
      puts.push(time.now() - start)
    })
    const lasting = forgedRecord(identity, { expires: start + 50 * HOUR_MS })
    upkeep.remember(keyFor(identity.id), lasting)
    upkeep.start()
    await time.advance(100 * HOUR_MS)
    upkeep.stop()
    expect(puts.length).toBeGreaterThanOrEqual(2)
    for (const [i, at] of puts.entries()) {
      const gap = at - (puts[i - 1] ?? 0)
      expect(gap).toBeGreaterThanOrEqual(REPUT_MIN_MS)
      expect(gap).toBeLessThanOrEqual(REPUT_MAX_MS + HOUR_MS)
    }
    expect(Math.max(...puts)).toBeLessThan(50 * HOUR_MS)
    expect(upkeep.own()).toEqual([])
  })

  function upkeepOf(datastore: GuardedDatastore, put: () => Promise<void>): RecordUpkeep {
    return new RecordUpkeep({
      datastore,
      clock: time,
      timers: time,
      random: seededRandom(1),
      logger: silentLogger,
      put,
    })
  }
})
