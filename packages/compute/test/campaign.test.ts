import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CampaignReport } from '../src/api.ts'
import { verifyCommitment, verifyReceipts } from '../src/protocol/documents.ts'
import { Cluster, campaignOf, FAST } from './support/cluster.ts'
import { honest, silent, wrong } from './support/function-executor.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

function expectRight(report: CampaignReport, inputs: readonly Uint8Array[]): void {
  expect(report.state).toBe('finished')
  report.tasks.forEach((task, index) => {
    expect(task.state).toBe('accepted')
    expect([...(task.result?.output ?? [])]).toEqual([...(inputs[index] ?? [])].map((b) => (b + 1) & 0xff))
  })
}

describe('a campaign over the mesh', () => {
  it('CMP-3 CMP-6 ends with every result right, three replicas each, and credit of the agreed fuel', async () => {
    // All four share one thread: one that stands still for a second must not look like a node that is gone.
    const policy = { ...FAST.policy, stragglerFloor: 20_000, revealTimeout: 20_000 }
    const patient = { policy, silence: 20_000, requestTimeout: 20_000, retryFor: 20_000 }
    const requester = await cluster.requester(':memory:', patient)
    const workers = await cluster.volunteers(3)
    const spec = campaignOf(20)
    const report = await requester.wait(await requester.submit(spec))
    expectRight(report, spec.inputs)
    expect(report.tasks.every((task) => task.replicas === 3)).toBe(true)
    expect(report.accused).toEqual([])
    for (const { id } of workers) expect(report.credit.get(id)).toBe(80n)
    await expect
      .poll(() => workers.map(({ worker }) => worker.status().credit.get(cluster.requesterIdentity.id)), {
        timeout: 20_000,
      })
      .toEqual([80n, 80n, 80n])
    expect(workers.every(({ worker }) => worker.status().leases.length === 0)).toBe(true)
  })

  it('CMP-3 accuses a liar with evidence that anybody can verify, and accepts only right results', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(4)
    const liar = await cluster.volunteer(wrong(1))
    const spec = campaignOf(12)
    const report = await requester.wait(await requester.submit(spec))
    expectRight(report, spec.inputs)
    expect(new Set(report.accused.map(({ node }) => node))).toEqual(new Set([liar.id]))
    const { evidence } = report.accused[0]!
    expect(() => verifyCommitment(evidence[0]!, liar.id)).not.toThrow()
    expect(verifyReceipts(evidence[1]!, liar.id).value.node).toBe(liar.id)
    expect(evidence.length).toBe(4)
    expect(report.credit.get(liar.id)).toBeUndefined()
  })

  it('CMP-3 outvotes two colluders with f = 2', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(5)
    const colluders = [await cluster.volunteer(wrong(9)), await cluster.volunteer(wrong(9))]
    const spec = campaignOf(10, { f: 2 })
    const report = await requester.wait(await requester.submit(spec))
    expectRight(report, spec.inputs)
    expect(new Set(report.accused.map(({ node }) => node))).toEqual(new Set(colluders.map(({ id }) => id)))
  })

  it('CMP-3 says undecidable when nobody agrees and no node is left', async () => {
    const requester = await cluster.requester()
    for (let i = 0; i < 3; i++) await cluster.volunteer(wrong(i))
    const report = await requester.wait(await requester.submit(campaignOf(2)))
    expect(report.tasks.map(({ state }) => state)).toEqual(['undecidable', 'undecidable'])
    expect(report.tasks[0]?.reason).toContain('no eligible node is left')
    expect(report.accused).toEqual([])
  })

  it('CMP-4 goes on without workers that stay silent, and with those that come late', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(2)
    await cluster.volunteer(silent)
    const spec = campaignOf(6)
    const id = await requester.submit(spec)
    await cluster.volunteer()
    expectRight(await requester.wait(id), spec.inputs)
  })

  it('CMP-4 reassigns what a node held that was cut off', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(3)
    const lost = await cluster.volunteer(silent)
    const spec = campaignOf(6)
    const seen: string[] = []
    requester.onEvent((event) => {
      if (event.type === 'assigned' && event.node === lost.id) cluster.network.partition([lost.id])
      if (event.type === 'lease-lost') seen.push(event.reason)
    })
    expectRight(await requester.wait(await requester.submit(spec)), spec.inputs)
  })

  it('CMP-4 ends at its deadline when there are no volunteers', async () => {
    const requester = await cluster.requester()
    const report = await requester.wait(await requester.submit(campaignOf(2, { deadline: 300 })))
    expect(report.state).toBe('expired')
    expect(report.tasks.map(({ reason }) => reason)).toEqual(['the deadline passed', 'the deadline passed'])
  })

  it('CMP-9 carries large inputs and outputs as blocks', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(3)
    const spec = campaignOf(0, {
      inputs: [new Uint8Array(100_000).fill(3), new Uint8Array(40_000).fill(4)],
      resources: { fuel: 1_000_000n as never, memoryBytes: 65_536, outputBytes: 200_000, wallTime: 5000 },
    })
    expectRight(await requester.wait(await requester.submit(spec)), spec.inputs)
  })

  it('CMP-2 several campaigns of several workers run side by side', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(4, async (request) => honest(request))
    const spec = campaignOf(10)
    const ids = [await requester.submit(spec), await requester.submit(campaignOf(15))]
    for (const id of ids) expect((await requester.wait(id)).state).toBe('finished')
    expect(requester.list().map(({ accepted }) => accepted)).toEqual([15, 10])
  })
})
