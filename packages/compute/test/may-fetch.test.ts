import { digestOf, type NodeId } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeInputList } from '../src/requester/campaign.ts'
import { Cluster, campaignOf } from './support/cluster.ts'
import { EMPTY_MODULE, honest, silent } from './support/function-executor.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

describe('who may have a block', () => {
  it('CMP-9 CON-1 module and inputs are for nodes that work for the running campaign, nobody else', async () => {
    const requester = await cluster.requester()
    const known = await cluster.volunteer(silent)
    const stranger = createIdentity(cluster.random).id
    const spec = campaignOf(3)
    const id = await requester.submit({ ...spec, deadline: 1500 })
    const inputs = spec.inputs.map((input) => digestOf(input))
    const artefacts = [digestOf(EMPTY_MODULE), digestOf(encodeInputList(inputs)), ...inputs]
    const open = (peer: NodeId): boolean[] => artefacts.map((digest) => requester.mayFetch(peer, digest))
    expect(open(known.id)).toEqual([false, false, false, false, false])
    await expect.poll(() => open(known.id)).toEqual([true, true, true, true, true])
    expect(open(stranger)).toEqual([false, false, false, false, false])
    expect(open('constructor' as NodeId)).toEqual([false, false, false, false, false])
    expect(requester.mayFetch(known.id, digestOf(Uint8Array.of(9)))).toBe(false)
    await requester.wait(id)
    expect(open(known.id)).toEqual([false, false, false, false, false])
  })

  it('CMP-9 two campaigns with the same module are told apart', async () => {
    const requester = await cluster.requester()
    const known = await cluster.volunteer(silent)
    const first = await requester.submit(campaignOf(1, { deadline: 500 }))
    await requester.submit(campaignOf(1, { deadline: 5000 }))
    await requester.wait(first)
    expect(requester.mayFetch(known.id, digestOf(EMPTY_MODULE))).toBe(true)
  })

  it('CMP-3 CMP-9 an output is for the requester of its lease, while the lease is held', async () => {
    const requester = await cluster.requester()
    const { worker } = await cluster.volunteer(honest)
    await cluster.volunteer(silent)
    await cluster.volunteer(silent)
    const stranger = createIdentity(cluster.random).id
    const id = await requester.submit(campaignOf(1, { deadline: 1500 }))
    const output = digestOf(Uint8Array.of(1, 1, 8))
    const boss = cluster.requesterIdentity.id
    expect(worker.mayFetch(boss, output)).toBe(false)
    await expect.poll(() => worker.status().leases[0]?.state).toBe('committed')
    expect(worker.mayFetch(boss, output)).toBe(true)
    expect(worker.mayFetch(stranger, output)).toBe(false)
    expect(worker.mayFetch(boss, digestOf(Uint8Array.of(1)))).toBe(false)
    await requester.wait(id)
    await expect.poll(() => worker.mayFetch(boss, output)).toBe(false)
  })
})
