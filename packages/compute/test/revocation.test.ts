import { encode } from '@askee/core'
import { createMemoryBlockStore, decorate } from '@askee/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { Cluster, campaignOf } from './support/cluster.ts'
import { honest } from './support/function-executor.ts'
import { largeTasks } from './support/large-tasks.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

describe('revocation', () => {
  it('CON-5 kills what runs in the same turn, and the worker is quiet when it is gone', async () => {
    const requester = await cluster.requester()
    const volunteer = await cluster.volunteer(() => new Promise(() => {}), { init: { slots: 2 } })
    await requester.submit(campaignOf(4))
    await expect
      .poll(() => volunteer.worker.status().leases.filter(({ state }) => state === 'running').length)
      .toBe(2)
    const { tokens } = volunteer.registry.show(volunteer.consent)
    volunteer.registry.revoke(volunteer.consent, 'a test')
    expect(volunteer.worker.status().leases).toEqual([])
    await volunteer.worker.quiet(tokens)
    const acts = volunteer.registry.history.entries(volunteer.consent).map(({ act }) => act)
    expect(acts).toContain('used')
    expect(acts.indexOf('revoked')).toBeGreaterThan(acts.indexOf('used'))
  })

  it('CON-5 is told to the requester, who gives the work to others and blames nobody', async () => {
    const requester = await cluster.requester(':memory:', { silence: 10_000 })
    const lost: { node: string; reason: string }[] = []
    const offers: string[] = []
    requester.onEvent((event) => {
      if (event.type === 'lease-lost') lost.push({ node: event.node, reason: event.reason })
      if (event.type === 'offer') offers.push(event.node)
    })
    const stuck = await cluster.volunteer(() => new Promise(() => {}))
    await cluster.volunteers(3)
    const id = await requester.submit(campaignOf(6))
    await expect.poll(() => stuck.worker.status().leases.length).toBeGreaterThan(0)
    stuck.registry.revoke(stuck.consent, 'a test')
    const report = await requester.wait(id)
    expect(report.state).toBe('finished')
    expect(report.accused).toEqual([])
    const reasons = lost.filter(({ node }) => node === stuck.id).map(({ reason }) => reason)
    expect(reasons.length).toBeGreaterThan(0)
    expect(new Set(reasons)).toEqual(new Set(['consent/revoked']))
    await expect
      .poll(() => stuck.registry.history.entries(stuck.consent).map(({ act }) => act))
      .toContain('told')
  })

  it('CON-5 frees the work of a node that cannot say so itself', async () => {
    const requester = await cluster.requester(':memory:', { silence: 30_000 })
    const lost: string[] = []
    requester.onEvent((event) => {
      if (event.type === 'lease-lost') lost.push(event.reason)
    })
    const mute = await cluster.volunteer(() => new Promise(() => {}))
    void requester.submit(campaignOf(1)).catch(() => undefined)
    await expect.poll(() => mute.worker.status().leases.length).toBe(1)
    await mute.worker.stop()
    mute.registry.revoke(mute.consent, 'a test')
    await expect.poll(() => lost, { timeout: 10_000 }).toEqual(['consent/revoked'])
  })

  it('CON-5 shuts the doors of the requester to the token, whoever shows it and however often', async () => {
    const requester = await cluster.requester()
    const volunteer = await cluster.volunteer()
    volunteer.registry.revoke(volunteer.consent, 'a test')
    await expect
      .poll(() => volunteer.registry.history.entries(volunteer.consent).map(({ act }) => act))
      .toContain('told')
    const offer = {
      v: 1,
      campaign: await requester.submit(campaignOf(1, { deadline: 3000 })),
      token: volunteer.token,
      capabilities: { engine: 'v8', tier: 'process', slots: 1, queue: 8, memoryBytes: 1e9 },
    }
    const answer = volunteer.mesh.request(requester.mesh.self, PROTOCOLS.offer, encode(offer))
    await expect(answer).rejects.toMatchObject({ code: 'mesh/refused', details: { code: 'consent/revoked' } })
  })

  it('CON-5 leaves nothing of the consent in the block store, and what others need stays', async () => {
    const requester = await cluster.requester()
    const blocks = createMemoryBlockStore()
    const volunteer = await cluster.volunteer(honest, { blocks })
    const own = await blocks.put(Uint8Array.of(1, 2, 3))
    await cluster.volunteer(() => new Promise(() => {}))
    await cluster.volunteer(() => new Promise(() => {}))
    void requester.submit({ ...largeTasks(2), deadline: 8000 })
    await expect.poll(() => volunteer.worker.status().completed).toBe(2)
    expect(blocks.size()).toBeGreaterThan(100)
    const { tokens } = volunteer.registry.revoke(volunteer.consent, 'a test')
    await volunteer.worker.quiet(tokens)
    await volunteer.holdings.erase(tokens, blocks)
    expect(blocks.size()).toBe(3)
    expect(await blocks.has(own)).toBe(true)
    expect(volunteer.holdings.tokens()).toEqual([])
  })

  it('CON-5 erases what was on its way here when the consent ended', async () => {
    const requester = await cluster.requester()
    const blocks = createMemoryBlockStore()
    const arrived = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const volunteer = await cluster.volunteer(honest, {
      blocks,
      wrapMesh: (mesh) =>
        decorate(mesh, {
          getBlock: async (digest, options) => {
            const bytes = await mesh.getBlock(digest, options)
            arrived.resolve()
            await goOn.promise
            return bytes
          },
        }),
    })
    void requester.submit(campaignOf(1)).catch(() => undefined)
    await arrived.promise
    expect(blocks.size()).toBeGreaterThan(0)
    const { tokens } = volunteer.registry.revoke(volunteer.consent, 'a test')
    // The erasure of the command came first, and found nothing it could know of but this.
    await volunteer.holdings.erase(tokens, blocks)
    const late = await blocks.put(new Uint8Array(10).fill(9))
    volunteer.holdings.note(tokens[0] as string, late)
    goOn.resolve()
    await volunteer.worker.quiet(tokens)
    await expect.poll(() => blocks.size()).toBe(0)
  })

  it('CON-1 makes no offer under a consent that ended while the offer waited for its turn', async () => {
    const requester = await cluster.requester()
    const offers: string[] = []
    requester.onEvent(({ type }) => offers.push(type))
    const volunteer = await cluster.volunteer(honest, { init: { offerJitter: 300 } })
    let isCovered = false
    const { covering } = volunteer.registry
    volunteer.registry.covering = (question) => {
      const found = covering.call(volunteer.registry, question)
      // The offer is about to wait for its turn.
      if (found !== undefined && !isCovered) {
        isCovered = true
        setImmediate(() => volunteer.registry.suspend(volunteer.consent, 'a test'))
      }
      return found
    }
    void requester.submit(campaignOf(1, { deadline: 1500 })).catch(() => undefined)
    await expect.poll(() => isCovered).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(offers).not.toContain('offer')
  })
})
