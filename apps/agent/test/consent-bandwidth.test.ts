import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createControlClient } from '@askee/client'
import { textDigest } from '@askee/consent'
import { type Fuel, systemRandom } from '@askee/core'
import { wat } from '@askee/sandbox/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { type Agent, DEFAULT_INIT, startAgent } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-bandwidth-'))
const agents: Agent[] = []
afterAll(async () => {
  for (const agent of agents) await agent.stop()
  rmSync(folder, { recursive: true, force: true })
})

const MIB = 1024 * 1024
const MBIT_PER_S = 2
/** What a consent lets through at once before its rate shows. Bytes. */
const BURST = 1.25 * MIB

async function started(name: string, bootstrap: readonly string[] = []): Promise<Agent> {
  const agent = await startAgent({
    ...DEFAULT_INIT,
    dataDirectory: join(folder, name),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap,
    network: 'local',
    localDiscovery: 'off',
    executor: 'portable',
    logLevel: 'silent',
  })
  agents.push(agent)
  return agent
}

/** Allows scientific work for the requester. */
async function grant(worker: Agent, requester: Agent, storageGbMax: number): Promise<string> {
  const client = createControlClient(worker.socket)
  const terms = {
    requester: requester.node,
    purpose: 'a test of lines',
    kinds: ['scientific-compute' as const],
    lifetimeMs: 3_600_000,
    cpuPercentMax: 100,
    ramMbMax: 512,
    storageGbMax,
    bandwidthMbpsMax: MBIT_PER_S,
    maxDurationHours: 1,
    minReputation: 0,
  }
  const text = await client.consentText(terms)
  return (await client.grant({ ...terms, textDigest: textDigest(text) })).id
}

describe('a consent between two agents over TCP', () => {
  it('CON-2 makes blocks in both directions take as long as its rate demands, and shows what is on disk', async () => {
    const requester = await started('requester')
    const worker = await started('worker', requester.mesh.addresses())
    const consent = await grant(worker, requester, 0.1)
    const client = createControlClient(worker.socket)
    expect((await client.consent(consent)).storage).toEqual({ usedBytes: 0, allowedBytes: 1e8 })
    // Gives back a MiB of zeros, whatever it is given.
    const module = await wat(
      `(module (import "askee" "output_write" (func $write (param i32 i32)))
         (memory (export "memory") 17 17)
         (func (export "run") (call $write (i32.const 0) (i32.const ${MIB}))))`,
    )
    const begun = performance.now()
    const campaign = await requester.requester.submit({
      purpose: 'a test of lines',
      kind: 'scientific-compute',
      module,
      inputs: [systemRandom.bytes(MIB), systemRandom.bytes(MIB)],
      resources: { fuel: 10_000_000n as Fuel, memoryBytes: 17 * 65_536, outputBytes: MIB, wallTime: 60_000 },
      f: 0,
      deadline: 100_000,
      minReputation: 0,
    })
    const report = await requester.requester.wait(campaign)
    const took = performance.now() - begun
    expect(report.tasks.map(({ result }) => [result?.trap, result?.output.byteLength])).toEqual([
      [null, MIB],
      [null, MIB],
    ])
    // Two inputs to the worker, and the output, the same of both, from it.
    const least = ((3 * MIB - BURST) * 8) / (MBIT_PER_S * 1000)
    expect(took).toBeGreaterThan(least)
    const { storage } = await client.consent(consent)
    expect(storage?.usedBytes).toBeGreaterThan(3 * MIB)
    expect(storage?.usedBytes).toBeLessThan(4 * MIB)
  }, 120_000)
})
