import { type Digest, digestOf, type Fuel, type LeaseId, type NodeId, utf8 } from '@askee/core'
import type { EngineName } from '../../src/coordinator/engines.ts'
import type { CoordinatorEffect, CoordinatorEvent } from '../../src/coordinator/events.ts'
import { step } from '../../src/coordinator/machine.ts'
import {
  type CoordinatorConfig,
  type CoordinatorState,
  DEFAULT_POLICY,
  initialState,
  type TaskRecord,
} from '../../src/coordinator/state.ts'
import { claimDigest, commitmentOf } from '../../src/protocol/result.ts'

const DOCUMENT = digestOf(utf8('document'))
const NONCE = '07'.repeat(32)
const FUEL = 5n as Fuel

export interface Lease {
  readonly lease: LeaseId
  readonly node: NodeId
  readonly task: number
}

type Timeless = CoordinatorEvent extends infer E ? (E extends unknown ? Omit<E, 'now'> : never) : never

/** The coordinator's machine with nodes that join, commit and reveal as a test tells them. Keeps the journal. */
export class CoordinatorDriver {
  readonly #config: CoordinatorConfig
  readonly #journal: CoordinatorEvent[] = []
  #draws = 0
  state: CoordinatorState
  now = 1_000_000

  constructor(config: Partial<CoordinatorConfig> = {}) {
    this.#config = {
      campaign: 'c' as never,
      f: 1,
      count: 1,
      deadline: this.now + 3_600_000,
      minReputation: 0,
      wallTime: 10_000,
      policy: DEFAULT_POLICY,
      ...config,
    }
    this.state = initialState(this.#config)
  }

  feed(event: Timeless): readonly CoordinatorEffect[] {
    const whole = { ...event, now: this.now } as CoordinatorEvent
    const { effects, changed } = step(this.state, whole)
    if (changed) this.#journal.push(JSON.parse(JSON.stringify(whole)))
    return effects
  }

  /** As after a crash: from the journal alone. */
  restart(): void {
    this.state = initialState(JSON.parse(JSON.stringify(this.#config)))
    for (const event of this.#journal) step(this.state, event)
  }

  /** @param engine what it says; none is what nodes said once */
  join(name: string, engine?: EngineName, consent = 'c0'): void {
    this.feed({
      type: 'offered',
      node: name as NodeId,
      consent,
      consentExpires: this.now + 10_000_000,
      operator: `owner of ${name}` as NodeId,
      reputation: 1,
      ...(engine === undefined ? {} : { engine }),
      slots: 1,
      queue: 8,
      replaces: null,
    })
  }

  assign(): Lease[] {
    const effects = this.feed({ type: 'assign', entropy: `${this.#draws++}` })
    return effects.filter((effect) => effect.type === 'assign')
  }

  commit({ lease, node }: Lease, output: string): readonly CoordinatorEffect[] {
    const hash = commitmentOf(claimOf(output).claim, Buffer.from(NONCE, 'hex'), node, lease)
    return this.feed({ type: 'committed', node, document: DOCUMENT, commits: [{ lease, hash }] })
  }

  reveal({ lease, node }: Lease, said: string): readonly CoordinatorEffect[] {
    const { output, claim } = claimOf(said)
    const vote = { output, trap: null, fuel: FUEL.toString() }
    const reveals = [{ lease, vote, claim, nonce: NONCE }]
    return this.feed({ type: 'revealed', node, document: DOCUMENT, reveals })
  }

  /** Commits and reveals for those that have not, each what `say` gives for its node; who is asked for more waits. */
  vote(leases: readonly Lease[], say: (node: string) => string): void {
    for (const lease of leases) this.commit(lease, say(lease.node))
    for (const lease of leases) {
      if (this.state.leases[lease.lease]?.stage === 'asked') this.reveal(lease, say(lease.node))
    }
  }

  sweep(after: number): readonly CoordinatorEffect[] {
    this.now += after
    return this.feed({ type: 'sweep' })
  }

  task(index = 0): TaskRecord {
    return this.state.tasks[index] as TaskRecord
  }
}

export function outputOf(text: string): Digest {
  return digestOf(utf8(text))
}

function claimOf(text: string): { output: Digest; claim: Digest } {
  const output = outputOf(text)
  const claim = claimDigest({ module: DOCUMENT, input: DOCUMENT, output, trap: null, fuel: FUEL })
  return { output, claim }
}
