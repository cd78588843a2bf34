import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode, digestOf, encode, type Fuel, type Mesh, systemClock } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { createBlockStore, openDatabase } from '@askee/store'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dropSchema } from '../src/protocol/messages.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import type { RequesterInit } from '../src/requester/init.ts'
import { JOURNAL_MIGRATIONS } from '../src/requester/migrations.ts'
import { Cluster, campaignOf, FAST, type Volunteer } from './support/cluster.ts'
import { EMPTY_MODULE, honest, type TaskFunction, wrong } from './support/function-executor.ts'

let cluster: Cluster
let directory: string
beforeEach(async () => {
  cluster = new Cluster()
  directory = await mkdtemp(join(tmpdir(), 'askee-compute-'))
})
afterEach(async () => {
  await cluster.stop()
  await rm(directory, { recursive: true })
})

const unhurried: TaskFunction = async (request) => {
  await new Promise((resolve) => setTimeout(resolve, 15))
  return honest(request)
}

/** A busy machine pauses processes for longer than the tests over memory usually wait. */
const PATIENT: Partial<RequesterInit> = {
  silence: 5000,
  disconnectGrace: 2000,
  requestTimeout: 5000,
  policy: { ...FAST.policy, poolGrace: 10_000, revealTimeout: 10_000 },
}

describe('a requester that comes back', () => {
  it('CMP-2 keeps what was accepted, accepts nothing twice, and ends the campaign', async () => {
    const journal = join(directory, 'journal.db')
    await cluster.volunteers(4, unhurried)
    const accepted = new Map<string, number>()
    const spec = campaignOf(40)
    let requester = await cluster.requester(journal, PATIENT)
    let id: Awaited<ReturnType<typeof requester.submit>> | undefined
    for (let life = 0; life < 4; life++) {
      requester.onEvent((event) => {
        if (event.type === 'accepted') accepted.set(event.task, (accepted.get(event.task) ?? 0) + 1)
      })
      id ??= await requester.submit(spec)
      const target = (life + 1) * 8
      await expect.poll(() => accepted.size, { timeout: 10_000, interval: 5 }).toBeGreaterThanOrEqual(target)
      const before = accepted.size
      await requester.stop()
      await requester.mesh.stop()
      requester = await cluster.requester(journal, PATIENT)
      const kept = requester.report(id).tasks.filter(({ state }) => state === 'accepted')
      expect(kept.length).toBeGreaterThanOrEqual(before)
    }
    requester.onEvent((event) => {
      if (event.type === 'accepted') accepted.set(event.task, (accepted.get(event.task) ?? 0) + 1)
    })
    const report = await requester.wait(id!)
    expect(report.state).toBe('finished')
    report.tasks.forEach((task, index) => {
      expect([...task.result!.output]).toEqual([...spec.inputs[index]!].map((b) => (b + 1) & 0xff))
    })
    for (const times of accepted.values()) expect(times).toBe(1)
    let credited = 0n as Fuel
    for (const fuel of report.credit.values()) credited = (credited + fuel) as Fuel
    expect(credited).toBeLessThanOrEqual(40n * 4n * 4n)
    expect(credited).toBeGreaterThanOrEqual(40n * 2n * 4n)
  })

  it('CMP-4 does not hold against workers what was journaled for them and never sent', async () => {
    const journal = join(directory, 'journal.db')
    await cluster.volunteers(3)
    const deaf = (mesh: Mesh): Mesh =>
      decorate(mesh, {
        request: (to, protocol, body, options) =>
          protocol === PROTOCOLS.assign ? new Promise(() => {}) : mesh.request(to, protocol, body, options),
      })
    let requester = await cluster.requester(journal, {}, deaf)
    let assigned = 0
    requester.onEvent(({ type }) => {
      if (type === 'assigned') assigned++
    })
    const id = await requester.submit(campaignOf(1))
    await expect.poll(() => assigned).toBe(3)
    await requester.stop()
    await requester.mesh.stop()
    requester = await cluster.requester(journal)
    const lost = new Set<string>()
    requester.onEvent((event) => {
      if (event.type === 'lease-lost') lost.add(event.reason)
    })
    expect((await requester.wait(id)).tasks[0]?.state).toBe('accepted')
    expect(lost).toEqual(new Set(['undelivered']))
  })

  it('CMP-2 keeps the report of a finished campaign, its evidence and what it learned of nodes', async () => {
    const journal = join(directory, 'journal.db')
    await cluster.volunteers(4)
    const liar = await cluster.volunteer(wrong(3))
    let requester = await cluster.requester(journal)
    const id = await requester.submit(campaignOf(12))
    const report = await requester.wait(id)
    await new Promise((resolve) => setTimeout(resolve, 200))
    await requester.stop()
    await requester.mesh.stop()
    const database = openDatabase(journal, JOURNAL_MIGRATIONS)
    expect(database.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: 0 })
    expect(database.prepare('SELECT agreed FROM conduct WHERE node = ?').get(liar.id)).toEqual({ agreed: 0 })
    database.close()
    requester = await cluster.requester(journal)
    expect(requester.report(id)).toEqual(report)
    expect((await requester.wait(id)).accused[0]?.evidence.length).toBe(4)
  })

  it('CMP-10 knows reliable nodes from earlier campaigns and admits only them when asked to', async () => {
    const requester = await cluster.requester(join(directory, 'journal.db'))
    const known = await cluster.volunteers(3)
    await requester.wait(await requester.submit(campaignOf(30)))
    const newcomers = await cluster.volunteers(3)
    const assigned = new Set<string>()
    requester.onEvent((event) => {
      if (event.type === 'assigned') assigned.add(event.node)
    })
    const report = await requester.wait(await requester.submit(campaignOf(5, { minReputation: 0.8 })))
    expect(report.state).toBe('finished')
    expect(assigned).toEqual(new Set(known.map(({ id }) => id)))
    for (const { worker } of newcomers) expect(worker.status().completed).toBe(0)
  })
})

describe('submission', () => {
  it('CMP-9 keeps module and inputs of a campaign together, until it ends, or refuses it whole', async () => {
    const maxBytes = 200_000
    const blocks = await createBlockStore({ clock: systemClock }, { directory, maxBytes })
    cluster = new Cluster(blocks)
    const requester = await cluster.requester()
    const inputs = (count: number): Uint8Array[] =>
      Array.from({ length: count }, (_, i) => cluster.random.bytes(20_000 + i))
    const code = await requester.submit(campaignOf(0, { inputs: inputs(12) })).catch((error) => error.code)
    expect(code).toBe('blocks/full')
    expect(requester.list()).toEqual([])
    // Nothing of the refused one is in the way.
    const own = inputs(9)
    const id = await requester.submit(campaignOf(0, { inputs: own, deadline: 400 }))
    const digests = [digestOf(EMPTY_MODULE), ...own.map((input) => digestOf(input))]
    const held = async (): Promise<number> =>
      (await Promise.all(digests.map((digest) => blocks.has(digest)))).filter(Boolean).length
    expect(await held()).toBe(10)
    await expect(blocks.put(cluster.random.bytes(30_000))).rejects.toMatchObject({ code: 'blocks/full' })
    expect(await held()).toBe(10)
    await requester.wait(id)
    await blocks.put(cluster.random.bytes(190_000))
    expect(await held()).toBeLessThan(3)
  })

  it('CMP-1 refuses what is out of range or not admitted, before anything is sent', async () => {
    const requester = await cluster.requester()
    const code = (spec: Parameters<typeof campaignOf>[1]): Promise<string> =>
      requester.submit(campaignOf(1, spec)).then(
        () => 'submitted',
        (error: { code: string }) => error.code,
      )
    const hour = 3_600_000
    expect(await code({ f: 11 })).toBe('compute/spec')
    expect(await code({ inputs: [] })).toBe('compute/spec')
    expect(await code({ purpose: '' })).toBe('compute/spec')
    expect(await code({ minReputation: 1.1 })).toBe('compute/spec')
    expect(await code({ kind: 'data-processing', deadline: 8 * hour + 1 })).toBe('compute/spec')
    expect(await code({ kind: 'ml-training', deadline: 24 * hour + 1 })).toBe('compute/spec')
    expect(await code({ kind: 'scientific-compute', deadline: 48 * hour + 1 })).toBe('compute/spec')
    expect(await code({ module: Uint8Array.of(1, 2, 3) })).toMatch(/^wasm\//)
    expect(requester.list()).toEqual([])
    expect(await code({ kind: 'scientific-compute', deadline: 48 * hour })).toBe('submitted')
  })
})

describe('a finished campaign', () => {
  it('NET-5 is folded once, and no message about it is written or looked at again', async () => {
    const journal = join(directory, 'journal.db')
    const requester = await cluster.requester(journal)
    const [volunteer] = await cluster.volunteers(3)
    const id = await requester.submit(campaignOf(2))
    await requester.wait(id)
    const database = openDatabase(journal, JOURNAL_MIGRATIONS)
    const folded = (): unknown => database.prepare('SELECT snapshot FROM campaigns').pluck().get()
    await expect.poll(folded).not.toBeNull()
    database.exec("UPDATE campaigns SET snapshot = 'untouched'")
    const lease = 'ab'.repeat(16)
    const body = encode({ v: 1, campaign: id, document: null, failed: [{ lease, code: 'fault/engine' }] })
    const to = cluster.requesterIdentity.id
    const answer = await (volunteer as Volunteer).mesh.request(to, PROTOCOLS.commit, body)
    expect(decode(answer, dropSchema, 1000).drop).toEqual([lease])
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(folded()).toBe('untouched')
    expect(database.prepare('SELECT count(*) FROM events').pluck().get()).toBe(0)
    database.close()
  })
})
