import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type ControlClient, createControlClient } from '@askee/client'
import { AskeeError } from '@askee/core'
import type { ExecutorPolicy } from '@askee/sandbox'
import { z } from 'zod'
import type { FaultKind } from './options.ts'

/** A process that has not answered by then never will; on a machine that others keep busy a start takes a minute. */
const START_TIMEOUT_MS = 240_000
/** Time given to stop by itself before it is killed. */
const STOP_TIMEOUT_MS = 3_000

/** Agents that start at once: more would all be late, the first as late as the last. */
const STARTING_AT_ONCE = 2 * availableParallelism()

/** A crashed agent comes back after this long, each time later. */
const FIRST_RESTART_MS = 100
const LONGEST_RESTART_MS = 5_000

const AGENT = fileURLToPath(new URL('../../bin/askee.js', import.meta.url))
const FAULTY_AGENT = fileURLToPath(new URL('../../bin/faulty-agent.js', import.meta.url))

const readySchema = z.object({ node: z.string(), addresses: z.array(z.string()), socket: z.string() })

export interface FleetAgent {
  readonly name: string
  readonly node: string
  readonly addresses: readonly string[]
  readonly client: ControlClient
  /** Its data directory. */
  readonly directory: string
  /** Of its first life. */
  readonly pid: number
  readonly faults: readonly FaultKind[]
  /** Times the process ended unasked. */
  crashes: number
}

interface AgentPlan {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly faults: readonly FaultKind[]
  readonly seed: number
  readonly executor: ExecutorPolicy
}

/** Real agents in processes of their own, in one temporary folder, gone when the fleet stops or this process dies. */
export class Fleet {
  readonly #directory: string
  readonly #children = new Map<string, ChildProcess>()
  #stopping = false
  readonly agents: FleetAgent[] = []

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(): Promise<Fleet> {
    return new Fleet(await mkdtemp(join(tmpdir(), 'askee-sim-')))
  }

  /** Starts an agent; one that crashes later is started again with the same identity, as a person's machine would be. */
  async launch(plan: AgentPlan): Promise<FleetAgent> {
    const child = this.#spawn(plan)
    const ready = await firstLine(child, plan.name)
    const agent: FleetAgent = {
      name: plan.name,
      node: ready.node,
      addresses: ready.addresses,
      client: createControlClient(ready.socket),
      directory: join(this.#directory, plan.name),
      pid: child.pid ?? 0,
      faults: plan.faults,
      crashes: 0,
    }
    this.agents.push(agent)
    this.#keepAlive(plan, agent, child)
    return agent
  }

  /** Starts several, as many at once as this machine can, and gives them in order. */
  async launchAll(plans: readonly AgentPlan[]): Promise<FleetAgent[]> {
    const agents: FleetAgent[] = []
    const waiting = plans.entries()
    const launchNext = async (): Promise<void> => {
      for (const [i, plan] of waiting) agents[i] = await this.launch(plan)
    }
    await Promise.all(Array.from({ length: STARTING_AT_ONCE }, launchNext))
    return agents
  }

  /** Whether every agent that was not meant to crash is still in its first life. */
  honestCrashes(): number {
    return this.agents.filter((a) => a.faults.length === 0).reduce((sum, a) => sum + a.crashes, 0)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all([...this.#children.values()].map(endProcess))
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #spawn(plan: AgentPlan): ChildProcess {
    const entry = plan.faults.length === 0 ? [AGENT, 'agent'] : [FAULTY_AGENT]
    const args = [
      '--data',
      join(this.#directory, plan.name),
      '--executor',
      plan.executor,
      ...(plan.faults.length === 0
        ? [
            '--listen',
            '/ip4/127.0.0.1/tcp/0',
            '--network',
            'local',
            '--no-mdns',
            '--log-level',
            'error',
            '--lifeline',
            '--json',
          ]
        : ['--seed', String(plan.seed), '--faults', plan.faults.join(',')]),
      ...plan.bootstrap.flatMap((address) => ['--bootstrap', address]),
    ]
    const child = spawn(process.execPath, [...entry, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#children.set(plan.name, child)
    return child
  }

  #keepAlive(plan: AgentPlan, agent: FleetAgent, child: ChildProcess): void {
    child.once('exit', () => {
      this.#children.delete(plan.name)
      if (this.#stopping) return
      agent.crashes++
      const wait = Math.min(LONGEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.min(agent.crashes, 8))
      setTimeout(() => {
        if (!this.#stopping) this.#keepAlive(plan, agent, this.#spawn(plan))
      }, wait)
    })
  }
}

async function firstLine(child: ChildProcess, name: string): Promise<z.output<typeof readySchema>> {
  const { stdout } = child
  if (stdout === null) throw new AskeeError('simulate/start', `${name} has no standard output`)
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS)
  try {
    for await (const line of createInterface({ input: stdout })) return readySchema.parse(JSON.parse(line))
  } finally {
    clearTimeout(timer)
  }
  throw new AskeeError('simulate/start', `${name} ended before it was ready; its error stands above`)
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  child.stdin?.end()
  child.kill('SIGTERM')
  await gone
  clearTimeout(timer)
}
