import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EngineName } from '../src/api.ts'
import { verifyManifest } from '../src/protocol/manifest.ts'
import { CAMPAIGN_TOPIC } from '../src/protocol/topic.ts'
import { Cluster, campaignOf, FAST } from './support/cluster.ts'
import { honest, type TaskFunction, wrong } from './support/function-executor.ts'

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

async function volunteers(count: number, engine: EngineName, task: TaskFunction = honest): Promise<void> {
  for (let i = 0; i < count; i++) await cluster.volunteer(task, { engine })
}

const DIVERSE = { engines: 'diverse' } as const

describe('a campaign that asks for engine diversity', () => {
  it('CMP-3 accepts what both engines agree on, and says how many votes each gave', async () => {
    const requester = await cluster.requester()
    await volunteers(3, 'wasmtime')
    await volunteers(2, 'v8')
    const report = await requester.wait(await requester.submit(campaignOf(10, DIVERSE)))
    expect(report).toMatchObject({ engines: 'diverse', state: 'finished', accused: [] })
    for (const { state, engines } of report.tasks) {
      expect(state).toBe('accepted')
      expect(engines.wasmtime).toBeGreaterThanOrEqual(1)
      expect(engines.v8).toBeGreaterThanOrEqual(1)
    }
  })

  it('CMP-3 refuses every task where there is one engine alone, and names it', async () => {
    const requester = await cluster.requester()
    await volunteers(3, 'v8')
    const report = await requester.wait(await requester.submit(campaignOf(2, DIVERSE)))
    expect(report.tasks).toMatchObject(
      [0, 1].map(() => ({
        state: 'undecidable',
        result: null,
        engines: {},
        reason: expect.stringContaining('needs an engine other than v8'),
      })),
    )
  })

  it('CMP-3 accepts nothing when one engine errs, and accuses nobody', async () => {
    const requester = await cluster.requester()
    await volunteers(2, 'wasmtime', wrong(1))
    await volunteers(2, 'v8')
    const report = await requester.wait(await requester.submit(campaignOf(2, DIVERSE)))
    expect(report.tasks).toMatchObject(
      [0, 1].map(() => ({ state: 'undecidable', reason: expect.stringContaining('the engines disagree') })),
    )
    expect(report).toMatchObject({ accused: [], credit: new Map() })
  })

  it('CMP-2 still waits for the other engine after a restart', async () => {
    const journal = join(directory, 'journal.db')
    const init = { policy: { ...FAST.policy, poolGrace: 60_000 }, silence: 5000, requestTimeout: 5000 }
    const first = await cluster.requester(journal, init)
    await volunteers(3, 'wasmtime')
    const offered = Promise.withResolvers<void>()
    first.onEvent(({ type }) => {
      if (type === 'offer') offered.resolve()
    })
    const id = await first.submit(campaignOf(1, { ...DIVERSE, deadline: 120_000 }))
    await offered.promise
    await first.stop()
    await first.mesh.stop()
    const second = await cluster.requester(journal, init)
    expect(second.report(id)).toMatchObject({ engines: 'diverse', tasks: [{ result: null }] })
    await volunteers(1, 'v8')
    const { tasks } = await second.wait(id)
    expect(tasks).toMatchObject([{ state: 'accepted', engines: { v8: 1 } }])
  })

  it('CMP-1 is published in a form that says so, and any other in the form that all nodes know', async () => {
    const requester = await cluster.requester()
    const heard = new Map<string, unknown>()
    requester.mesh.subscribe(CAMPAIGN_TOPIC, ({ body }) => {
      const { id, manifest } = verifyManifest(body)
      heard.set(id, manifest)
    })
    const plain = await requester.submit(campaignOf(1))
    const diverse = await requester.submit(campaignOf(1, DIVERSE))
    await expect.poll(() => heard.size, { timeout: 10_000 }).toBe(2)
    expect(heard.get(plain)).toMatchObject({ v: 1 })
    expect(heard.get(plain)).not.toHaveProperty('engines')
    expect(heard.get(diverse)).toMatchObject({ v: 2, engines: 'diverse' })
    expect([requester.report(plain).engines, requester.report(diverse).engines]).toEqual(['any', 'diverse'])
  })
})
