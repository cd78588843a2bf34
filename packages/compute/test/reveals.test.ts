import {
  AskeeError,
  digestOf,
  type Fuel,
  type LeaseId,
  type Mesh,
  type NodeId,
  silentLogger,
} from '@askee/core'
import { createMemoryBlockStore, decorate } from '@askee/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Budget } from '../src/budget.ts'
import { verifyReceipts } from '../src/protocol/documents.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { GatedWork } from '../src/worker/gated-work.ts'
import { revealOf } from '../src/worker/reveal.ts'
import { Cluster, FAST, PERMISSIONS } from './support/cluster.ts'
import { createFunctionExecutor, honest, silent } from './support/function-executor.ts'
import { largeTasks, MAX_OUTPUT_BYTES_OF_TESTS } from './support/large-tasks.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

/** Runs a campaign of large outputs; what was lost on the way. */
async function run(count: number, wrap: (mesh: Mesh) => Mesh): Promise<string[]> {
  const policy = { ...FAST.policy, revealTimeout: 500, poolGrace: 5000 }
  const requester = await cluster.requester(
    ':memory:',
    { policy, silence: 10_000, requestTimeout: 5000 },
    wrap,
  )
  await cluster.volunteers(3)
  const lost: string[] = []
  requester.onEvent((event) => {
    if (event.type === 'lease-lost') lost.push(event.reason)
  })
  const report = await requester.wait(await requester.submit(largeTasks(count)))
  expect(report.state).toBe('finished')
  for (const task of report.tasks) {
    expect(task.state).toBe('accepted')
    expect(task.result?.output.byteLength).toBe(MAX_OUTPUT_BYTES_OF_TESTS)
  }
  return lost
}

describe('large outputs', () => {
  it('CMP-9 are fetched one after the other from each worker, and that takes time without blame', async () => {
    const running = new Map<NodeId, number>()
    let most = 0
    const lost = await run(8, (mesh) =>
      decorate(mesh, {
        getBlock: async (digest, options) => {
          const node = options?.providers?.[0] as NodeId
          running.set(node, (running.get(node) ?? 0) + 1)
          most = Math.max(most, running.get(node) ?? 0)
          await new Promise((resolve) => setTimeout(resolve, 100))
          running.set(node, (running.get(node) ?? 0) - 1)
          return mesh.getBlock(digest, options)
        },
      }),
    )
    expect(most).toBe(1)
    expect(lost).toEqual([])
  })

  it('NET-5 a full line is no fault of the worker, neither for reveals nor for outputs', async () => {
    const refusals = new Map<string, number>()
    const limited = (name: string): void => {
      const times = refusals.get(name) ?? 0
      refusals.set(name, times + 1)
      if (times < 3) throw new AskeeError('mesh/rate-limited', 'the line is full')
    }
    const lost = await run(2, (mesh) =>
      decorate(mesh, {
        getBlock: async (digest, options) => {
          limited('block')
          return mesh.getBlock(digest, options)
        },
        request: async (to, protocol, body, options) => {
          if (protocol === PROTOCOLS.reveal) limited('reveal')
          return mesh.request(to, protocol, body, options)
        },
      }),
    )
    expect([...refusals.values()].every((times) => times > 3)).toBe(true)
    expect(lost).toEqual([])
  })

  it('NET-5 one answer names no more than the budget of a round, and one output always', async () => {
    const { identity, mesh } = await cluster.volunteer()
    const consents = { covering: () => undefined, check: () => PERMISSIONS, limitsOf: () => undefined }
    const executor = createFunctionExecutor(honest)
    const gated = new GatedWork({
      mesh,
      executor,
      consents,
      logger: silentLogger,
      requesterReputation: () => 0,
      slots: 1,
      processors: 1,
    })
    const held = (sizes: number[]): Parameters<typeof revealOf>[2] =>
      sizes.map((mib, task) => {
        const output = new Uint8Array(mib * 1024 * 1024)
        const common = { campaign: digestOf(output) as never, task, consent: '0'.repeat(32) }
        return {
          lease: { ...common, id: `${task}`.padStart(32, '0') as LeaseId } as never,
          materials: {
            signed: { manifest: { module: digestOf(output), resources: {} } },
            input: digestOf(new Uint8Array()),
          } as never,
          result: {
            output,
            outputBytes: output.byteLength,
            outputDigest: digestOf(output),
            trap: null,
            fuel: 1n as Fuel,
            nonce: new Uint8Array(32),
            commitment: digestOf(output),
            release: () => {},
          },
        }
      })
    const named = async (sizes: number[]): Promise<number> => {
      const answer = await revealOf({ gated, identity }, digestOf(new Uint8Array()) as never, held(sizes), [])
      return verifyReceipts(answer.document as Uint8Array, identity.id).value.receipts.length
    }
    expect(await named([6, 6, 6])).toBe(2)
    expect(await named([16])).toBe(1)
    expect(await named([16, 1])).toBe(1)
  })

  it('CMP-9 wait in the block store of the worker, pinned until they are settled', async () => {
    const requester = await cluster.requester()
    const blocks = createMemoryBlockStore(400_000)
    await cluster.volunteer(honest, { blocks })
    const other = await cluster.volunteer(silent)
    await cluster.volunteer(silent)
    const id = await requester.submit({ ...largeTasks(2), deadline: 3000 })
    const output = digestOf(new Uint8Array(MAX_OUTPUT_BYTES_OF_TESTS).fill(1))
    await expect.poll(() => blocks.has(output)).toBe(true)
    for (let i = 0; i < 10; i++) await blocks.put(new Uint8Array(60_000).fill(i + 50))
    expect(await blocks.has(output)).toBe(true)
    expect(other.worker.status().completed).toBe(0)
    await requester.wait(id)
    await expect
      .poll(async () => {
        for (let i = 0; i < 10; i++) await blocks.put(new Uint8Array(60_000).fill(i + 50))
        return blocks.has(output)
      })
      .toBe(false)
  })

  it('NET-5 what is fetched at once stays within a budget of bytes', async () => {
    const budget = new Budget(100)
    let held = 0
    let most = 0
    const sizes = [60, 60, 30, 500, 10, 10, 40, 100, 1]
    await Promise.all(
      sizes.map((bytes) =>
        budget.use(bytes, async () => {
          held += Math.min(bytes, 100)
          most = Math.max(most, held)
          await new Promise((resolve) => setTimeout(resolve, 5))
          held -= Math.min(bytes, 100)
        }),
      ),
    )
    expect(most).toBeLessThanOrEqual(100)
    expect(most).toBeGreaterThan(60)
  })
})
