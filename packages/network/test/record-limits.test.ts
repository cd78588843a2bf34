import { type NodeId, systemClock, systemRandom, utf8 } from '@askee/core'
import { eventually } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { Key } from 'interface-datastore'
import { afterEach, describe, expect, it } from 'vitest'
import { DHT_PUT_BURST, MAX_HELD_RECORDS, MAX_RECORDS_PER_OWNER } from '../src/defaults.ts'
import { GuardedDatastore } from '../src/records/guarded-datastore.ts'
import { RecordRoom } from '../src/records/record-room.ts'
import { connectTo, forgedRecord, hostileNode, keyFor, putDirectly } from './hostile.ts'
import { loopbackNode, strangerId } from './nodes.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

describe('room for records of others', () => {
  const self = strangerId()
  const take = (room: RecordRoom, owner: NodeId, name: string) => {
    try {
      return room.take(`${owner} ${name}`, owner, keyFor(owner, name))
    } catch {
      return 'refused'
    }
  }

  it('NET-2 an owner that makes up names displaces its own records only', () => {
    const room = new RecordRoom(self)
    const honest = Array.from(
      { length: MAX_HELD_RECORDS - MAX_RECORDS_PER_OWNER },
      (_, i) => `owner-${i}` as NodeId,
    )
    expect(new Set(honest.map((owner) => take(room, owner, 'r')))).toEqual(new Set([undefined]))
    const grinder = strangerId()
    const displaced: string[] = []
    for (let i = 0; i < 2000; i++) {
      const evicted = take(room, grinder, `${i}`)
      if (evicted !== undefined && evicted !== 'refused') displaced.push(evicted)
    }
    expect(displaced.length).toBeGreaterThan(20)
    expect(displaced.filter((entry) => !entry.startsWith(grinder))).toEqual([])
  })

  it('NET-2 places given back can be taken again, and own records are not counted', () => {
    const room = new RecordRoom(self)
    const owner = strangerId()
    const taken = Array.from({ length: MAX_RECORDS_PER_OWNER }, (_, i) => take(room, owner, `${i}`))
    expect(new Set(taken)).toEqual(new Set([undefined]))
    room.release(`${owner} 0`)
    expect(take(room, owner, 'another')).toBeUndefined()
    expect(take(room, owner, 'one more')).toBeDefined()
    for (let i = 0; i < 2 * MAX_RECORDS_PER_OWNER; i++) expect(take(room, self, `${i}`)).toBeUndefined()
  })
})

describe('senders of DHT messages', () => {
  it('NET-5 a peer that floods records is refused after its burst, blocked when it goes on, and others are heard', async () => {
    const holder = loopbackNode()
    await holder.start()
    stops.push(() => holder.stop())
    const [flooder, friend] = [await hostileNode(), await hostileNode()]
    stops.push(
      () => flooder.stop(),
      () => friend.stop(),
    )
    for (const node of [flooder, friend]) await connectTo(node, holder.addresses()[0] as string)
    const owner = createIdentity(systemRandom)
    const put = (from: typeof flooder, sequence: number) =>
      putDirectly(from, holder.self, keyFor(owner.id), forgedRecord(owner, { sequence })).catch(() => false)
    let accepted = 0
    const id = flooder.peerId.toString() as NodeId
    for (let i = 1; i < 3000 && !holder.isBlocked(id); i += 20) {
      const results = await Promise.all(Array.from({ length: 20 }, (_, k) => put(flooder, i + k)))
      accepted += results.filter(Boolean).length
    }
    await eventually(() => holder.isBlocked(id))
    expect(accepted).toBeGreaterThan(10)
    expect(accepted).toBeLessThan(2 * DHT_PUT_BURST)
    expect(await put(friend, 10_000)).toBe(true)
  })

  it('CMP-9 nobody can leave word here of who has which block', () => {
    const store = new GuardedDatastore(systemClock, strangerId())
    expect(() => store.put(new Key(`/dht/provider/abc/${strangerId()}`), utf8('x'))).toThrow(/announced/)
  })
})
