import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { AskeeError } from '@askee/core'
import type { ExecutorPolicy } from '@askee/sandbox'
import { printNote } from '../../terminal/output.ts'
import { SIMULATION_PURPOSE } from '../campaigns.ts'
import { Fleet, type FleetAgent } from '../fleet.ts'
import { executorOf, grantTo, untilMet } from '../simulate.ts'
import { accepting, busyProcesses, computing, dataFiles, filesWith } from './probes.ts'
import { interruptedAfter, judgeRevocations, type RevocationReport, type RevocationRound } from './report.ts'

export interface RevocationOptions {
  readonly nodes: number
  readonly rounds: number
  readonly seed: number
  readonly executor: ExecutorPolicy
}

/** A module whose `run` never ends; the smallest there is. */
const ENDLESS = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00,
  0x05, 0x04, 0x01, 0x01, 0x01, 0x01, 0x07, 0x10, 0x02, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00,
  0x03, 0x72, 0x75, 0x6e, 0x00, 0x00, 0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b,
])
/** Large enough to travel as a block and stand on the worker's disk. */
const INPUT_BYTES = 64 * 1024
/** What every input begins with, in the clear: looked for on the disk. */
const MARK = randomBytes(24)
/** More tasks than all workers take at once, so that a worker that comes back finds work. */
const TASKS_PER_NODE = 24
/** Rounds in which nothing ran, at most. */
const MAX_IDLE = 6
const PATIENCE_MS = 180_000
const POLL_MS = 10

/**
 * Revokes consents in mid task, one after the other on workers in turn, and looks at what happens: on the machine, on its
 * disk, in its history, and at every other node. Each look is made just before as well, as a control of the look itself.
 */
export async function simulateRevocations(
  options: RevocationOptions,
  signal: AbortSignal,
): Promise<RevocationReport> {
  const fleet = await Fleet.create()
  const begun = performance.now()
  const rounds: RevocationRound[] = []
  try {
    printNote(`starting ${options.nodes + 1} agents`)
    const { seed, executor } = options
    const requester = await fleet.launch({ name: 'requester', bootstrap: [], faults: [], seed, executor })
    const workers = await fleet.launchAll(
      Array.from({ length: options.nodes }, (_, i) => ({
        name: `worker-${i + 1}`,
        bootstrap: requester.addresses,
        faults: [],
        seed,
        executor,
      })),
    )
    printNote('meeting and granting consent')
    await Promise.all(workers.map((worker) => grantTo(worker, requester.node)))
    await untilMet(requester, options.nodes, signal)
    const lostLeases: Record<string, number> = {}
    void countLosses(requester, lostLeases, signal)
    const campaign = await submitEndless(requester, options.nodes)

    printNote(`revoking ${options.rounds} times in mid task`)
    let idle = 0
    while (rounds.length < options.rounds) {
      signal.throwIfAborted()
      const worker = workers[rounds.length % workers.length] as FleetAgent
      const round = await revokeOnce(worker, [requester, ...workers], signal)
      if (round !== null) rounds.push(round)
      else if (++idle > MAX_IDLE) {
        throw new AskeeError('simulate/revoke', `${idle} times a task ended before it was revoked`)
      }
      await grantTo(worker, requester.node)
      if (rounds.length % 10 === 0) printNote(`${rounds.length} of ${options.rounds}`)
    }
    const { accused } = await requester.client.campaign(campaign)
    const setting = {
      nodes: options.nodes,
      executor: await executorOf(workers),
      load: Number((loadavg()[0] ?? 0).toFixed(1)),
      wallSeconds: (performance.now() - begun) / 1000,
    }
    return judgeRevocations(setting, rounds, { lostLeases, accused: accused.length })
  } catch (error) {
    // A Ctrl-C reaches the agents too: whatever fails after it is the interruption.
    throw signal.aborted ? interruptedAfter(rounds, options.rounds) : error
  } finally {
    await fleet.stop()
  }
}

async function submitEndless(requester: FleetAgent, nodes: number): Promise<string> {
  const module = await requester.client.putBlock(ENDLESS)
  const inputs: string[] = []
  for (let i = 0; i < nodes * TASKS_PER_NODE; i++) {
    const input = new Uint8Array(INPUT_BYTES)
    input.set(MARK)
    input.set(randomBytes(32), MARK.byteLength)
    inputs.push(await requester.client.putBlock(input))
  }
  const { id } = await requester.client.submit({
    purpose: SIMULATION_PURPOSE,
    kind: 'scientific-compute',
    module,
    inputs,
    resources: { fuel: '9000000000000000000', memoryBytes: 65_536, outputBytes: 1024, wallTimeMs: 3_000_000 },
    f: 0,
    deadlineMs: 3_600_000,
    minReputation: 0,
  })
  return id
}

/** Null when the task ended by itself between the look at it and the command: on a busy machine leases get lost. */
async function revokeOnce(
  worker: FleetAgent,
  nodes: readonly FleetAgent[],
  signal: AbortSignal,
): Promise<RevocationRound | null> {
  const { client, directory, pid } = worker
  const consent = await runningConsent(worker, signal)
  const token = await client.consentToken(consent)
  const clients = nodes.map((node) => node.client)
  const acceptedBefore = await accepting(clients, token)
  const processes = await busyProcesses(pid)
  const filesBefore = dataFiles(directory).length

  const begun = performance.now()
  const { killMs, eraseMs } = await client.revoke(consent, 'a simulation')
  const filesAfter = dataFiles(directory).length
  // Asked only now: to ask every node all the time would slow the kill that is being timed.
  const meshMs = await refusedByAll(clients, token, begun, signal)
  const traces = filesWith(directory, MARK).length
  const processesAfter = processes === null ? null : await computing(processes)
  const history = await client.consentHistory(consent)
  if (killMs === null) return null
  return {
    worker: worker.node,
    killMs,
    eraseMs,
    meshMs,
    filesBefore,
    filesAfter,
    traces,
    processesBefore: processes?.length ?? null,
    processesAfter,
    acceptedBefore,
    isRecorded: history.some(({ act, receipt }) => act === 'revoked' && receipt !== null),
  }
}

/** Waits until a task runs, and says under which consent. */
async function runningConsent({ client, name }: FleetAgent, signal: AbortSignal): Promise<string> {
  return poll(
    () => `${name} runs a task`,
    signal,
    async () => {
      const [live] = (await client.consents()).filter((consent) => consent.live)
      const { worker } = await client.status()
      const isRunning = worker.leases.some(
        ({ state, consent }) => state === 'running' && live?.tokens.includes(consent),
      )
      return isRunning ? live?.id : undefined
    },
  )
}

async function refusedByAll(
  clients: Parameters<typeof accepting>[0],
  token: string,
  begun: number,
  signal: AbortSignal,
): Promise<number> {
  let left = clients.length
  const what = () => `every node refuses the token (${left} of ${clients.length} still take it)`
  await poll(what, signal, async () => {
    left = await accepting(clients, token)
    return left === 0 ? true : undefined
  })
  return performance.now() - begun
}

async function poll<T>(
  what: () => string,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const giveUp = performance.now() + PATIENCE_MS
  for (;;) {
    signal.throwIfAborted()
    const seen = await look()
    if (seen !== undefined) return seen
    if (performance.now() > giveUp) {
      throw new AskeeError('simulate/revoke', `${what()}: not within ${PATIENCE_MS / 1000} s`)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function countLosses(
  requester: FleetAgent,
  losses: Record<string, number>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const event of requester.client.events(signal)) {
      const { reason } = event as { reason?: unknown }
      if (event.type === 'lease-lost' && typeof reason === 'string')
        losses[reason] = (losses[reason] ?? 0) + 1
    }
  } catch {
    // The stream ends with the requester.
  }
}
