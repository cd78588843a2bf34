import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import {
  type NodeId,
  type ProtocolName,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
} from '@askee/core'
import { createMemoryBlockStore } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { createLibp2pMesh, type Libp2pMesh } from '@askee/network'

const ECHO: ProtocolName = '/askee/bench/echo/1'
const BODY_BYTES = 200

export interface RequestsResult {
  /** Processes that answer; one more asks all of them. */
  readonly processes: number
  /** Requests under way at once, all peers together, and what that gave. */
  readonly perSecond: readonly {
    readonly concurrency: number
    readonly requestsPerSecond: number
    /** CPU that the asking process spent on one request, ms; unlike the rate it holds on a busy machine. */
    readonly askerCpuMs: number
  }[]
  /** Median time of a dial with its handshake, ms. */
  readonly dialMs: number
  /** Median time of one request alone, ms. */
  readonly roundTripMs: number
  /** From the call of start to its end, libp2p's import included, ms. */
  readonly startMs: number
  /** Resident memory of a process with one idle node and one connection, MB. */
  readonly idleMegabytes: number
  /** CPU of an idle node over twenty seconds, share of one core. */
  readonly idleCpu: number
}

function node(): Libp2pMesh {
  return createLibp2pMesh(
    {
      identity: createIdentity(systemRandom),
      blocks: createMemoryBlockStore(),
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger: silentLogger,
    },
    {
      network: 'local',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      allowInbound: ['/ip4/127.0.0.1'],
      mdns: 'off',
      topics: new Map(),
      minimumPeers: 0,
    },
  )
}

/** Requests a second between one asking process (this) and `processes` answering ones over TCP loopback. */
export async function benchRequests(processes = 7, requests = 10_000): Promise<RequestsResult> {
  const before = performance.now()
  const asker = node()
  await asker.start()
  const startMs = performance.now() - before
  const children = Array.from({ length: processes }, () => fork(fileURLToPath(import.meta.url), ['answer']))
  try {
    const addresses = await Promise.all(
      children.map(async (child) => (await once(child, 'message'))[0] as string),
    )
    const dials: number[] = []
    const peers: NodeId[] = []
    for (const address of addresses) {
      const from = performance.now()
      peers.push(await asker.dial(address))
      dials.push(performance.now() - from)
    }
    const ask = (i: number): Promise<Uint8Array> =>
      asker.request(peers[i % peers.length] as NodeId, ECHO, new Uint8Array(BODY_BYTES))
    for (let i = 0; i < 500; i++) await ask(i)
    const trips: number[] = []
    for (let i = 0; i < 500; i++) {
      const from = performance.now()
      await ask(i)
      trips.push(performance.now() - from)
    }
    const perSecond: RequestsResult['perSecond'][number][] = []
    for (const concurrency of [1, 8, 64]) {
      let next = 0
      const cpu = process.cpuUsage()
      const from = performance.now()
      await Promise.all(
        Array.from({ length: concurrency }, async () => {
          while (next < requests) await ask(next++)
        }),
      )
      const requestsPerSecond = Math.round((requests / (performance.now() - from)) * 1000)
      const { user, system } = process.cpuUsage(cpu)
      perSecond.push({ concurrency, requestsPerSecond, askerCpuMs: (user + system) / 1000 / requests })
    }
    const idle = await idleNode(asker.addresses()[0] as string)
    return { processes, perSecond, dialMs: median(dials), roundTripMs: median(trips), startMs, ...idle }
  } finally {
    for (const child of children) child.kill()
    await asker.stop()
  }
}

/** A process of its own, connected to `address`, left alone for half a minute. */
async function idleNode(address: string): Promise<{ idleMegabytes: number; idleCpu: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['idle', address])
  const [result] = await once(child, 'message')
  child.kill()
  return result as { idleMegabytes: number; idleCpu: number }
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

async function answer(): Promise<void> {
  const mesh = node()
  await mesh.start()
  const limits = {
    maxRequestBytes: 1000,
    maxResponseBytes: 1000,
    ratePerSecond: 1e6,
    burst: 1e6,
    concurrency: 1e6,
  }
  mesh.handle(ECHO, limits, async ({ body }) => body)
  process.send?.(mesh.addresses()[0])
}

async function idle(address: string): Promise<void> {
  const mesh = node()
  await mesh.start()
  await mesh.dial(address)
  await systemTimers.sleep(10_000)
  const cpu = process.cpuUsage()
  await systemTimers.sleep(20_000)
  const { user, system } = process.cpuUsage(cpu)
  process.send?.({ idleMegabytes: process.memoryUsage().rss / 1e6, idleCpu: (user + system) / 20e6 })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [role, address] = process.argv.slice(2)
  if (role === 'answer') await answer()
  else if (role === 'idle') await idle(address as string)
  else process.stdout.write(`${JSON.stringify(await benchRequests(), undefined, 2)}\n`)
}
