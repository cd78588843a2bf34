import { loadModule, WORKLOADS } from '@askee/workloads'
import { afterEach, describe, expect, it } from 'vitest'
import { grant, PURPOSE, type RunningAgent, TestMesh, until } from './mesh.ts'

/** Tasks run at idle priority: on a machine that is busy otherwise ten seconds become minutes. */
const DEADLINE_MS = 300_000

const mesh = new TestMesh()
afterEach(() => mesh.stop())

async function submitPrimes(requester: RunningAgent): Promise<{ id: string; tasks: number }> {
  const workload = WORKLOADS.get('primes')!
  const inputs = workload.plan('default').next().value as readonly Uint8Array[]
  const module = await requester.client.putBlock(await loadModule(workload.moduleName))
  const digests: string[] = []
  for (const input of inputs) digests.push(await requester.client.putBlock(input))
  const { id } = await requester.client.submit({
    purpose: PURPOSE,
    kind: 'scientific-compute',
    module,
    inputs: digests,
    resources: { fuel: '10000000000', memoryBytes: 64 * 1_048_576, outputBytes: 4096, wallTimeMs: 60_000 },
    f: 1,
    deadlineMs: 300_000,
    minReputation: 0,
  })
  return { id, tasks: inputs.length }
}

async function accepted(requester: RunningAgent, id: string) {
  const { tasks } = await requester.client.campaign(id)
  return tasks.filter((task) => task.state === 'accepted')
}

describe('a mesh of real agents', () => {
  it(
    'CMP-2 goes on after kill -9 of the requester, and repeats and loses nothing accepted',
    async () => {
      let requester = await mesh.start('requester')
      const workers = await Promise.all(
        ['a', 'b', 'c', 'd'].map((name) => mesh.start(name, requester.addresses)),
      )
      await Promise.all(workers.map((worker) => grant(worker, requester)))
      const { id, tasks } = await submitPrimes(requester)

      await until('some tasks accepted', async () => (await accepted(requester, id)).length >= 4)
      const before = await accepted(requester, id)
      await requester.kill()
      requester = await mesh.start('requester')

      const resumed = await accepted(requester, id)
      expect(resumed.map((task) => task.index)).toEqual(
        expect.arrayContaining(before.map((task) => task.index)),
      )
      const { tasks: after, state, credit } = await requester.client.wait(id)
      expect(state).toBe('finished')
      expect(after.filter((task) => task.state === 'accepted')).toHaveLength(tasks)
      for (const task of before) {
        expect(after[task.index]?.result).toEqual(task.result)
        expect(after[task.index]?.replicas).toBe(task.replicas)
      }
      const answer = after.reduce((sum, task) => sum + countIn(task.result!.output), 0)
      expect(answer).toBe(5_761_455)
      // Every accepted task credits at most its 2f+1 replicas once: nothing was accepted twice.
      const agreed = after.reduce((sum, task) => sum + BigInt(task.result!.fuel), 0n)
      const credited = Object.values(credit).reduce((sum, fuel) => sum + BigInt(fuel), 0n)
      expect(credited).toBeGreaterThanOrEqual(2n * agreed)
      expect(credited).toBeLessThanOrEqual(3n * agreed)
    },
    DEADLINE_MS,
  )

  it(
    'CON-1 gives no work to a node without a consent that covers it',
    async () => {
      const requester = await mesh.start('requester')
      const names = ['a', 'b', 'c', 'without', 'narrow']
      const workers = await Promise.all(names.map((name) => mesh.start(name, requester.addresses)))
      await Promise.all(workers.slice(0, 3).map((worker) => grant(worker, requester)))
      await grant(workers[4]!, requester, { ramMbMax: 32 })
      const { id } = await submitPrimes(requester)
      const { credit } = await requester.client.wait(id)
      expect(Object.keys(credit).sort()).toEqual(
        workers
          .slice(0, 3)
          .map((worker) => worker.node)
          .sort(),
      )
      for (const worker of workers.slice(3)) {
        expect((await worker.client.status()).worker).toMatchObject({ completed: 0, leases: [] })
      }
    },
    DEADLINE_MS,
  )

  it(
    'CMP-4 finishes when a worker is killed in the middle',
    async () => {
      const requester = await mesh.start('requester')
      const workers = await Promise.all(
        ['a', 'b', 'c', 'd'].map((name) => mesh.start(name, requester.addresses)),
      )
      await Promise.all(workers.map((worker) => grant(worker, requester)))
      const { id, tasks } = await submitPrimes(requester)
      await until('some tasks accepted', async () => (await accepted(requester, id)).length >= 2)
      await workers[0]?.kill()
      const { tasks: after, accused } = await requester.client.wait(id)
      expect(after.filter((task) => task.state === 'accepted')).toHaveLength(tasks)
      expect(accused).toEqual([])
    },
    DEADLINE_MS,
  )

  it(
    'CMP-6 a worker still knows what it earned after kill -9',
    async () => {
      const requester = await mesh.start('requester')
      const names = ['a', 'b', 'c']
      const workers = await Promise.all(names.map((name) => mesh.start(name, requester.addresses)))
      await Promise.all(workers.map((worker) => grant(worker, requester)))
      const { id } = await submitPrimes(requester)
      const { credit } = await requester.client.wait(id)
      const earned = async (worker: RunningAgent): Promise<string | undefined> =>
        (await worker.client.status()).worker.credit[requester.node]
      const first = workers[0]!
      await until('all settled', async () => (await earned(first)) === credit[first.node])
      await first.kill()
      expect(await earned(await mesh.start('a', requester.addresses))).toBe(credit[first.node])
    },
    DEADLINE_MS,
  )
})

/** A count as the primes task writes it: decimal digits. */
function countIn(base64: string): number {
  return Number(Buffer.from(base64, 'base64').toString())
}
