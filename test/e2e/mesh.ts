import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type ControlClient, createControlClient } from '@askee/client'
import { textDigest } from '@askee/consent'
import { startAskee } from './askee.ts'

export interface RunningAgent {
  readonly node: string
  readonly addresses: readonly string[]
  readonly client: ControlClient
  /** kill -9: nothing is flushed, nobody is told. */
  kill(): Promise<void>
  /** As the service manager does it. */
  stop(): Promise<void>
}

/** Real agents for one test, in one temporary folder. */
export class TestMesh {
  readonly directory = mkdtempSync(join(tmpdir(), 'askee-e2e-'))
  readonly #running = new Set<RunningAgent>()

  async start(
    name: string,
    bootstrap: readonly string[] = [],
    more: readonly string[] = [],
  ): Promise<RunningAgent> {
    const child = startAskee([
      'agent',
      '--data',
      join(this.directory, name),
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--network',
      'local',
      '--no-mdns',
      '--log-level',
      'error',
      '--lifeline',
      '--json',
      ...bootstrap.flatMap((address) => ['--bootstrap', address]),
      ...more,
    ])
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    for await (const line of createInterface({ input: child.stdout! })) {
      const ready = JSON.parse(line) as { node: string; addresses: string[]; socket: string }
      const end = async (signal: NodeJS.Signals): Promise<void> => {
        this.#running.delete(agent)
        child.kill(signal)
        await exited
      }
      const agent: RunningAgent = {
        node: ready.node,
        addresses: ready.addresses,
        client: createControlClient(ready.socket),
        kill: () => end('SIGKILL'),
        stop: () => end('SIGTERM'),
      }
      this.#running.add(agent)
      return agent
    }
    throw new Error(`${name} ended before it was ready`)
  }

  async stopAgents(): Promise<void> {
    await Promise.all([...this.#running].map((agent) => agent.kill()))
  }

  async stop(): Promise<void> {
    await this.stopAgents()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** What the consents of these tests name, and so their campaigns. */
export const PURPOSE = 'end-to-end test'

/** Lets a requester use a worker for an hour. */
export async function grant(
  worker: RunningAgent,
  requester: RunningAgent,
  { ramMbMax = 512, purpose = PURPOSE }: { readonly ramMbMax?: number; readonly purpose?: string } = {},
): Promise<void> {
  const terms = {
    requester: requester.node,
    purpose,
    kinds: ['scientific-compute' as const],
    lifetimeMs: 3_600_000,
    cpuPercentMax: 100,
    ramMbMax,
    storageGbMax: 1,
    bandwidthMbpsMax: 1000,
    maxDurationHours: 1,
    minReputation: 0,
  }
  const text = await worker.client.consentText(terms)
  await worker.client.grant({ ...terms, textDigest: textDigest(text) })
}

export async function until(what: string, condition: () => Promise<boolean>, seconds = 60): Promise<void> {
  const giveUp = Date.now() + seconds * 1000
  while (!(await condition())) {
    if (Date.now() > giveUp) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
