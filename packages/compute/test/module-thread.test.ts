import { digestOf, encode, systemClock } from '@askee/core'
import { instrument } from '@askee/wasm'
import { expect, it } from 'vitest'
import { signManifest } from '../src/protocol/manifest.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { Cluster } from './support/cluster.ts'
import { EMPTY_MODULE } from './support/function-executor.ts'

function leb(value: number): number[] {
  const out: number[] = []
  for (let left = value; ; ) {
    const byte = left & 0x7f
    left >>>= 7
    out.push(left === 0 ? byte : byte | 0x80)
    if (left === 0) return out
  }
}

/** The empty module with `functions` bodies of 50,000 times `i32.const 0, drop`. */
function largeModule(functions: number): Uint8Array {
  const body = new Uint8Array(150_002)
  for (let i = 1; i < body.length - 1; i += 3) body.set([0x41, 0, 0x1a], i)
  body[body.length - 1] = 0x0b
  const sized = Buffer.concat([Uint8Array.from(leb(body.length)), body])
  const section = (id: number, items: Uint8Array): Uint8Array => {
    const content = Buffer.concat([Uint8Array.from(leb(functions)), items])
    return Buffer.concat([Uint8Array.from([id, ...leb(content.length)]), content])
  }
  // Header and types; functions; memory and exports; code.
  return Buffer.concat([
    EMPTY_MODULE.subarray(0, 14),
    section(3, new Uint8Array(functions)),
    EMPTY_MODULE.subarray(18, EMPTY_MODULE.length - 6),
    section(10, Buffer.concat(Array.from({ length: functions }, () => sized))),
  ])
}

it('NET-5 a large module does not hold up the worker while it is instrumented', async () => {
  const cluster = new Cluster()
  try {
    const module = new Uint8Array(largeModule(30))
    const options = { abi: 'askee', maxMemoryBytes: 65_536 } as const
    const started = performance.now()
    instrument(module, options)
    const inPlace = performance.now() - started

    const volunteer = await cluster.volunteer()
    const requester = await cluster.node(cluster.requesterIdentity, cluster.blocks)
    const created = systemClock.now()
    const manifest = signManifest(cluster.requesterIdentity, {
      v: 1,
      requester: cluster.requesterIdentity.id,
      purpose: 'tests',
      kind: 'scientific-compute',
      module: await cluster.blocks.put(module),
      inputs: digestOf(new Uint8Array()),
      count: 1,
      resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes: 10, wallTime: 60_000 },
      f: 0,
      created,
      deadline: created + 60_000,
      minReputation: 0,
      nonce: new Uint8Array(16),
    }).bytes
    const bytes = new Uint8Array()
    const lease = { lease: 'ab'.repeat(16), task: 0, input: digestOf(bytes), bytes, expiresIn: 60_000 }
    const body = encode({ v: 1, manifest, consent: volunteer.consent, leases: [lease] })
    await requester.request(volunteer.id, PROTOCOLS.assign, body)
    let longest = 0
    let last = performance.now()
    while (volunteer.worker.status().completed === 0) {
      expect(volunteer.worker.status().failed).toBe(0)
      await new Promise((resolve) => setImmediate(resolve))
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }
    expect(longest).toBeLessThan(inPlace / 2)
  } finally {
    await cluster.stop()
  }
}, 30_000)
