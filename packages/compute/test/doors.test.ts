import type { ConsentGate } from '@askee/consent'
import { AskeeError, decode, digestOf, encode, type Mesh, type NodeId, systemClock, toHex } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import type { ExecutionRequest, TaskResult } from '@askee/sandbox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signManifest } from '../src/protocol/manifest.ts'
import { assignAnswerSchema, dropSchema } from '../src/protocol/messages.ts'
import { PROTOCOL_LIMITS, PROTOCOLS } from '../src/protocol/names.ts'
import { CAMPAIGN_TOPIC } from '../src/protocol/topic.ts'
import { Cluster, campaignOf, FAST, PERMISSIONS, type Volunteer } from './support/cluster.ts'
import { EMPTY_MODULE, honest } from './support/function-executor.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

/** A gate that stops opening after `opened` checks. */
function closingAfter(opened: number): (gate: ConsentGate) => ConsentGate {
  return (gate) => ({
    covering: (question) => gate.covering(question),
    limitsOf: (id) => gate.limitsOf(id),
    check: (id, question) => {
      if (opened-- <= 0) throw new AskeeError('consent/expired', 'it has just ended')
      return gate.check(id, question)
    },
  })
}

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AskeeError)) return error
  return error.code === 'mesh/refused' ? (error.details as { code: string }).code : error.code
}

async function stranger(): Promise<{ identity: Identity; mesh: Mesh }> {
  const identity = createIdentity(cluster.random)
  return { identity, mesh: await cluster.node(identity) }
}

/** A manifest of `identity`, as it would be announced. */
function manifestOf(identity: Identity, created = Date.now(), purpose = 'tests'): Uint8Array {
  return signManifest(identity, {
    v: 1,
    requester: identity.id,
    purpose,
    kind: 'scientific-compute',
    module: digestOf(Uint8Array.of(1)),
    inputs: digestOf(Uint8Array.of(2)),
    count: 5,
    resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes: 10, wallTime: 1000 },
    f: 1,
    created,
    deadline: created + 60_000,
    minReputation: 0,
    nonce: cluster.random.bytes(16),
  }).bytes
}

function assignment(manifest: Uint8Array, consent: string, lease = 'ab'.repeat(16)): Uint8Array {
  const input = digestOf(new Uint8Array())
  const leases = [{ lease, task: 0, input, bytes: new Uint8Array(), expiresIn: 1000 }]
  return encode({ v: 1, manifest, consent, leases })
}

/** Why leases of this volunteer were lost, as they are. */
function lossesOf(
  requester: Awaited<ReturnType<Cluster['requester']>>,
  { id }: Volunteer,
): readonly string[] {
  const lost: string[] = []
  requester.onEvent((event) => {
    if (event.type === 'lease-lost' && event.node === id) lost.push(event.reason)
  })
  return lost
}

describe('the doors of consent', () => {
  it('CON-1 makes no offer without a consent that covers the campaign', async () => {
    const requester = await cluster.requester()
    const tasks = { ...PERMISSIONS.tasks, kinds: ['ml-training' as const] }
    const { worker } = await cluster.volunteer(honest, { permissions: { ...PERMISSIONS, tasks } })
    const events: string[] = []
    requester.onEvent(({ type }) => events.push(type))
    await requester.wait(await requester.submit(campaignOf(2, { deadline: 400 })))
    expect(events).not.toContain('offer')
    expect(worker.status().completed).toBe(0)
  })

  it('CON-1 takes no work that says it is for another purpose than the consent names, offered or assigned', async () => {
    const requester = await cluster.requester()
    const { id, consent, worker } = await cluster.volunteer()
    const events: string[] = []
    requester.onEvent(({ type }) => events.push(type))
    await requester.wait(await requester.submit(campaignOf(2, { purpose: 'Tests', deadline: 400 })))
    expect(events).not.toContain('offer')
    const manifest = manifestOf(cluster.requesterIdentity, Date.now(), 'tests and more')
    const answer = await requester.mesh.request(id, PROTOCOLS.assign, assignment(manifest, consent))
    const { refused } = decode(answer, assignAnswerSchema, PROTOCOL_LIMITS.assign.maxResponseBytes)
    expect(refused).toMatchObject([{ code: 'consent/purpose' }])
    expect(worker.status().leases).toEqual([])
  })

  it('CON-7 writes down for which campaign and stated purpose a consent was used', async () => {
    const requester = await cluster.requester()
    const { registry, consent } = await cluster.volunteer()
    const campaign = await requester.submit(campaignOf(1, { f: 0 }))
    await requester.wait(campaign)
    const uses = registry.history.entries(consent).filter(({ act }) => act === 'used')
    expect(uses).toMatchObject([{ content: { campaign, purpose: 'tests', tasks: 1 } }])
  })

  it('CON-1 refuses the assignment when the consent ended after the offer', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(3)
    const revoked = await cluster.volunteer(honest, { gate: closingAfter(0) })
    const lost: string[] = []
    requester.onEvent((event) => {
      if (event.type === 'lease-lost' && event.node === revoked.id) lost.push(event.reason)
    })
    const report = await requester.wait(await requester.submit(campaignOf(10)))
    expect(report.state).toBe('finished')
    expect(lost).toContain('consent/expired')
    expect(revoked.worker.status()).toMatchObject({ completed: 0, failed: 0, leases: [] })
    expect(revoked.worker.status().refused).toBeGreaterThan(0)
  })

  it('CON-1 starts nothing when the consent ended while the task waited', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(3)
    let ran = 0
    const revoked = await cluster.volunteer(
      (request) => {
        ran++
        return honest(request)
      },
      { gate: closingAfter(1) },
    )
    const lost = lossesOf(requester, revoked)
    const report = await requester.wait(await requester.submit(campaignOf(10)))
    expect(report.state).toBe('finished')
    expect(ran).toBe(0)
    expect(lost).toContain('consent/expired')
    expect(revoked.worker.status()).toMatchObject({ completed: 0, failed: 0 })
  })

  it('CON-1 fetches nothing when the consent ended while the task waited', async () => {
    const requester = await cluster.requester()
    await cluster.volunteers(3)
    let fetched = 0
    const revoked = await cluster.volunteer(honest, {
      gate: closingAfter(1),
      wrapMesh: (mesh) =>
        decorate(mesh, {
          getBlock: (digest, options) => {
            fetched++
            return mesh.getBlock(digest, options)
          },
        }),
    })
    const lost = lossesOf(requester, revoked)
    await requester.wait(await requester.submit(campaignOf(10)))
    expect(lost).toContain('consent/expired')
    expect(fetched).toBe(0)
  })

  it('CON-1 fetches no input when the consent ended while the module was fetched', async () => {
    const requester = await cluster.requester()
    const fetched: string[] = []
    const revoked = await cluster.volunteer(honest, {
      gate: closingAfter(2),
      wrapMesh: (mesh) =>
        decorate(mesh, {
          getBlock: (digest, options) => {
            fetched.push(digest)
            return mesh.getBlock(digest, options)
          },
        }),
    })
    await cluster.volunteers(2)
    const lost = lossesOf(requester, revoked)
    await requester.submit(campaignOf(0, { inputs: [new Uint8Array(20_000)] }))
    await expect.poll(() => lost).toContain('consent/expired')
    expect(fetched).toEqual([digestOf(EMPTY_MODULE)])
  })

  it('CON-1 shows nothing once the consent has ended, without blame, whoever asks first', async () => {
    for (const heartbeatPeriod of [60, 60_000]) {
      const requester = await cluster.requester(':memory:', { silence: 10_000 })
      let ended = false
      const revoked = await cluster.volunteer(honest, {
        init: { heartbeatPeriod },
        gate: (gate) => ({
          covering: (question) => gate.covering(question),
          limitsOf: (id) => gate.limitsOf(id),
          check: (id, question) => {
            if (ended) throw new AskeeError('consent/expired', 'it has just ended')
            return gate.check(id, question)
          },
        }),
      })
      const goOn = Promise.withResolvers<void>()
      const others = async (request: ExecutionRequest): Promise<TaskResult> => {
        await goOn.promise
        return honest(request)
      }
      for (let i = 0; i < 2; i++) await cluster.volunteer(others)
      const lost: string[] = []
      requester.onEvent((event) => {
        if (event.type === 'lease-lost' && event.node === revoked.id) lost.push(event.reason)
      })
      const id = await requester.submit(campaignOf(1))
      await expect.poll(() => revoked.worker.status().leases[0]?.state).toBe('committed')
      ended = true
      goOn.resolve()
      await requester.wait(id)
      // It offers itself again, for its consent seems to cover the campaign, and refuses again.
      expect(new Set(lost)).toEqual(new Set(['consent/expired']))
      expect(revoked.worker.status()).toMatchObject({ leases: [], failed: 0 })
      expect(revoked.worker.status().credit.size).toBe(0)
      await cluster.stop()
      cluster = new Cluster()
    }
  })

  it('CON-1 stops a running task when its consent ends', async () => {
    const policy = { ...FAST.policy, stragglerFloor: 2000 }
    const requester = await cluster.requester(':memory:', { policy, silence: 10_000 })
    const revoked = await cluster.volunteer(() => new Promise(() => {}), { gate: closingAfter(6) })
    await cluster.volunteers(2)
    const id = await requester.submit(campaignOf(1))
    await expect.poll(() => revoked.worker.status().leases.map(({ state }) => state)).toEqual(['running'])
    await expect.poll(() => revoked.worker.status().leases).toEqual([])
    expect(revoked.worker.status().failed).toBe(0)
    expect((await requester.wait(id)).state).toBe('finished')
  })

  it('CMP-10 the place of a node that is gone is free for another', async () => {
    const requester = await cluster.requester(':memory:', { maxNodes: 2 })
    const [gone] = await cluster.volunteers(2, () => new Promise(() => {}))
    const id = await requester.submit(campaignOf(1))
    const offers = new Set<string>()
    requester.onEvent((event) => {
      if (event.type === 'offer') offers.add(event.node)
    })
    await expect.poll(() => offers.size).toBe(2)
    const late = await cluster.volunteer()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(offers.has(late.id)).toBe(false)
    await gone!.worker.stop()
    await gone!.mesh.stop()
    await expect.poll(() => offers.has(late.id), { timeout: 5000 }).toBe(true)
    expect(requester.report(id).state).toBe('running')
  })

  it('CMP-4 asks again at once for nodes whose consent was renewed, before a task is given up', async () => {
    const policy = { ...FAST.policy, poolGrace: 400 }
    const init = { policy, silence: 10_000, announceLongest: 60_000 }
    const requester = await cluster.requester(':memory:', init)
    let announced = 0
    requester.mesh.subscribe(CAMPAIGN_TOPIC, () => {
      announced = performance.now()
    })
    let open: 'yes' | 'no' = 'yes'
    let renewed = false
    const gate = (own: ConsentGate): ConsentGate => ({
      covering: (question) => own.covering(question),
      limitsOf: (id) => own.limitsOf(id),
      check: (id, question) => {
        if (open === 'no') throw new AskeeError('consent/expired', 'it has just ended')
        return own.check(id, question)
      },
    })
    const task = (request: ExecutionRequest): TaskResult | Promise<TaskResult> =>
      renewed ? honest(request) : new Promise(() => {})
    const volunteers: Volunteer[] = []
    for (let i = 0; i < 3; i++) volunteers.push(await cluster.volunteer(task, { gate }))
    const started = performance.now()
    const id = await requester.submit(campaignOf(1))
    // Announcements are now 800 ms apart: longer than a task waits for help.
    await expect.poll(() => announced - started, { timeout: 8000, interval: 5 }).toBeGreaterThan(2400)
    open = 'no'
    await expect.poll(() => volunteers.every(({ worker }) => worker.status().leases.length === 0)).toBe(true)
    open = 'yes'
    renewed = true
    expect((await requester.wait(id)).tasks[0]?.reason).toBeNull()
  }, 15_000)

  it('CON-1 the requester refuses an offer with a token for somebody else', async () => {
    const requester = await cluster.requester()
    const volunteer = await cluster.volunteer()
    const id = await requester.submit(campaignOf(1))
    const { mesh } = await stranger()
    const capabilities = { engine: 'v8', tier: 'process', slots: 1, queue: 4, memoryBytes: 1e9 }
    const offer = (token: string): Promise<unknown> =>
      mesh.request(
        cluster.requesterIdentity.id,
        PROTOCOLS.offer,
        encode({ v: 1, campaign: id, token, capabilities }),
      )
    expect(await refusal(offer('a.b.c'))).toMatch(/^consent\//)
    expect(await refusal(offer(volunteer.token))).toBe('consent/subject')
  })
})

describe('the doors of the worker', () => {
  it('CMP-1 refuses an assignment from anybody but the signer of the manifest', async () => {
    const volunteer = await cluster.volunteer()
    const requester = await cluster.node(cluster.requesterIdentity)
    const { mesh, identity } = await stranger()
    const ask = async (from: Mesh, manifest: Uint8Array): Promise<unknown> => {
      const body = assignment(manifest, volunteer.consent)
      const answer = await from.request(volunteer.id, PROTOCOLS.assign, body)
      const { accepted, refused } = decode(answer, assignAnswerSchema, 10_000)
      return accepted.length > 0 ? 'accepted' : refused[0]?.code
    }
    expect(await ask(mesh, manifestOf(cluster.requesterIdentity))).toBe('compute/not-requester')
    expect(await ask(mesh, manifestOf(identity))).toBe('consent/audience')
    expect(await ask(requester, manifestOf(cluster.requesterIdentity))).toBe('accepted')
  })

  it('CMP-1 takes no work of a campaign from the future, at gossip, assignment or offer', async () => {
    const volunteer = await cluster.volunteer()
    const requester = await cluster.node(cluster.requesterIdentity)
    const answerTo = async (manifest: Uint8Array, lease: string): Promise<unknown> => {
      const body = assignment(manifest, volunteer.consent, lease)
      return decode(await requester.request(volunteer.id, PROTOCOLS.assign, body), assignAnswerSchema, 10_000)
    }
    const rules = cluster.topics.get(CAMPAIGN_TOPIC)!
    const from = cluster.requesterIdentity.id
    const soon = manifestOf(cluster.requesterIdentity, Date.now() + 60_000)
    const far = manifestOf(cluster.requesterIdentity, Date.now() + 130_000)
    expect(await rules.validate({ from, body: soon })).toBe('accept')
    expect(await rules.validate({ from, body: far })).toBe('ignore')
    expect(await answerTo(far, '0a'.repeat(16))).toMatchObject({ refused: [{ code: 'compute/future' }] })
    expect(await answerTo(soon, '0b'.repeat(16))).toMatchObject({ accepted: ['0b'.repeat(16)] })
  })

  it('CMP-1 a requester whose clock was set back takes no offers', async () => {
    let behind = 0
    const clock = { ...systemClock, now: () => Date.now() - behind, monotonic: () => systemClock.monotonic() }
    const requester = await cluster.requester(':memory:', { clock })
    const volunteer = await cluster.volunteer(honest, { init: { offerJitter: 1e9 } })
    const id = await requester.submit(campaignOf(1))
    behind = 300_000
    const capabilities = { engine: 'v8', tier: 'process', slots: 1, queue: 4, memoryBytes: 1e9 }
    const offer = encode({ v: 1, campaign: id, token: volunteer.token, capabilities })
    const to = cluster.requesterIdentity.id
    expect(await refusal(volunteer.mesh.request(to, PROTOCOLS.offer, offer))).toBe('compute/future')
  })

  it('CMP-3 shows a committed result to nobody but its requester', async () => {
    const volunteer = await cluster.volunteer()
    const requester = await cluster.requester()
    const id = await requester.submit(campaignOf(1, { deadline: 3000 }))
    await cluster.volunteers(1, () => new Promise(() => {}))
    await cluster.volunteers(1, () => new Promise(() => {}))
    await expect.poll(() => volunteer.worker.status().leases[0]?.state, { timeout: 2000 }).toBe('committed')
    const lease = volunteer.worker.status().leases[0]!.lease
    const { mesh } = await stranger()
    const question = encode({ v: 1, campaign: id, leases: [lease] })
    const asked = refusal(mesh.request(volunteer.id, PROTOCOLS.reveal, question))
    expect(await asked).toBe('compute/no-lease')
  })

  it('CMP-9 gives no answer for an input that is not the one named', async () => {
    const volunteer = await cluster.volunteer()
    const requester = await cluster.node(cluster.requesterIdentity, cluster.blocks)
    const manifest = manifestOf(cluster.requesterIdentity)
    const lease = 'cd'.repeat(16)
    const input = digestOf(Uint8Array.of(1))
    const leases = [{ lease, task: 0, input, bytes: Uint8Array.of(2), expiresIn: 1000 }]
    await requester.request(
      volunteer.id,
      PROTOCOLS.assign,
      encode({ v: 1, manifest, consent: volunteer.consent, leases }),
    )
    await expect.poll(() => volunteer.worker.status().failed).toBe(1)
    expect(volunteer.worker.status().completed).toBe(0)
  })
})

describe('garbage', () => {
  it('NET-5 is refused with a code at every door and changes nothing', async () => {
    const requester = await cluster.requester()
    const volunteer = await cluster.volunteer(() => new Promise(() => {}))
    await cluster.volunteers(2, () => new Promise(() => {}))
    const id = await requester.submit(campaignOf(1))
    await expect.poll(() => volunteer.worker.status().leases.length).toBe(1)
    const { mesh } = await stranger()
    const bodies = [
      new Uint8Array(),
      Uint8Array.of(0xff, 0xff),
      encode({}),
      encode({ v: 2, campaign: id }),
      encode({ v: 1, campaign: id, leases: ['x'], failed: [], document: new Uint8Array(9) }),
      cluster.random.bytes(200),
    ]
    for (const [name, protocol] of Object.entries(PROTOCOLS)) {
      const to = ['offer', 'commit', 'heartbeat'].includes(name) ? cluster.requesterIdentity.id : volunteer.id
      // Where nothing is known of a stranger, it is not even decoded.
      const open = ['offer', 'assign'].includes(name)
      const expected = open ? /^codec\// : /^compute\/(not-registered|no-lease)$/
      for (const body of bodies) expect(await refusal(mesh.request(to, protocol, body))).toMatch(expected)
      if (open) continue
      // Those who are known are told what is wrong.
      const from = to === volunteer.id ? requester.mesh : volunteer.mesh
      for (const body of bodies) expect(await refusal(from.request(to, protocol, body))).toMatch(/^codec\//)
    }
    expect(volunteer.worker.status().leases).toHaveLength(1)
    expect(requester.report(id).tasks[0]?.state).toBe('running')
  })

  it('NET-5 a flood of requests is cut off by the limits of the protocol', async () => {
    await cluster.requester()
    const { mesh } = await stranger()
    const flood = Array.from({ length: PROTOCOL_LIMITS.offer.burst + 50 }, () =>
      refusal(mesh.request(cluster.requesterIdentity.id, PROTOCOLS.offer, encode({}))),
    )
    expect(await Promise.all(flood)).toContain('mesh/rate-limited')
  })

  it('NET-5 a commitment of a node that never registered is refused, leases of strangers are to be dropped', async () => {
    const requester = await cluster.requester()
    const id = await requester.submit(campaignOf(1))
    const { mesh } = await stranger()
    const to = cluster.requesterIdentity.id as NodeId
    const lease = toHex(cluster.random.bytes(16))
    const commit = encode({ v: 1, campaign: id, document: null, failed: [{ lease, code: 'fault/engine' }] })
    expect(await refusal(mesh.request(to, PROTOCOLS.commit, commit))).toBe('compute/not-registered')
    const beat = encode({ v: 1, campaigns: [{ campaign: id, leases: [lease] }] })
    expect(await refusal(mesh.request(to, PROTOCOLS.heartbeat, beat))).toBe('compute/not-registered')
    const node = await cluster.volunteer()
    await expect
      .poll(() => refusal(node.mesh.request(to, PROTOCOLS.commit, commit)))
      .not.toBe('compute/not-registered')
    const answer = decode(await node.mesh.request(to, PROTOCOLS.heartbeat, beat), dropSchema, 1000)
    expect(answer.drop).toEqual([lease])
  })

  it('NET-5 a large assignment of a requester to whom nothing was offered is not decoded', async () => {
    const volunteer = await cluster.volunteer()
    const { mesh } = await stranger()
    const body = cluster.random.bytes(17 * 1024)
    expect(await refusal(mesh.request(volunteer.id, PROTOCOLS.assign, body))).toBe('compute/not-offered')
  })

  it('CMP-4 a worker drops the leases of a requester that does not know it any more', async () => {
    const volunteer = await cluster.volunteer(() => new Promise(() => {}))
    const mesh = await cluster.node(cluster.requesterIdentity)
    const body = assignment(manifestOf(cluster.requesterIdentity), volunteer.consent)
    const forgetful = {
      maxRequestBytes: 1e6,
      maxResponseBytes: 1e6,
      ratePerSecond: 99,
      burst: 99,
      concurrency: 9,
    }
    mesh.handle(PROTOCOLS.heartbeat, forgetful, async () => {
      throw new AskeeError('compute/not-registered', 'who are you?')
    })
    await mesh.request(volunteer.id, PROTOCOLS.assign, body)
    expect(volunteer.worker.status().leases).toHaveLength(1)
    await expect.poll(() => volunteer.worker.status().leases).toEqual([])
  })
})
