import type { Digest, Fuel, LeaseId, NodeId } from '@askee/core'
import { digestOf, fromHex, toHex, utf8 } from '@askee/core'
import type { EngineName, EnginePolicy } from '../../src/coordinator/engines.ts'
import type { CoordinatorEffect, CoordinatorEvent, Reveal } from '../../src/coordinator/events.ts'
import { step } from '../../src/coordinator/machine.ts'
import {
  type CoordinatorConfig,
  type CoordinatorState,
  DEFAULT_POLICY,
  initialState,
} from '../../src/coordinator/state.ts'
import { claimDigest, commitmentOf } from '../../src/protocol/result.ts'

export type Behavior =
  | 'honest'
  | 'slow'
  | 'flaky'
  | 'liar'
  | 'colluder'
  | 'silent'
  | 'crasher'
  | 'copier'
  | 'withholder'
  | 'breaker'
  | 'refuser'

export const FAULTS: readonly Behavior[] = [
  'liar',
  'colluder',
  'silent',
  'crasher',
  'copier',
  'withholder',
  'breaker',
  'refuser',
]

const MODULE = digestOf(utf8('module'))
const SECOND = 1000

export interface ChaosInit {
  /** Default 200. Far where all must end well: nodes that were silent wait up to a minute before they are asked again. */
  readonly deadlineSeconds?: number
  readonly f: number
  readonly tasks: number
  readonly nodes: readonly Behavior[]
  /** Choices of the schedule; used again from the start when they run out. */
  readonly choices: readonly number[]
  /** The journal is replayed after this many events, as after a crash; 0 for never. */
  readonly crashEvery: number
  /** Default `any`. Of the nodes every second says it runs V8, the others wasmtime. */
  readonly engines?: EnginePolicy
  /** All honest nodes with this engine give the same wrong answer. */
  readonly faultyEngine?: EngineName
}

export function engineOf(node: number): EngineName {
  return node % 2 === 0 ? 'wasmtime' : 'v8'
}

/** What a node claims about a task. */
function answer({ nodes, faultyEngine }: ChaosInit, node: number, task: number): string {
  const behavior = nodes[node]
  if (behavior === 'liar') return `wrong by ${node} on ${task}`
  if (behavior === 'colluder' || behavior === 'copier') return `wrong together on ${task}`
  return engineOf(node) === faultyEngine ? `what the engine makes of ${task}` : `right on ${task}`
}

export function rightOutput(task: number): Digest {
  return digestOf(utf8(`right on ${task}`))
}

/**
 * Drives the coordinator's machine with simulated workers whose messages are delayed, reordered, repeated and mixed
 * with garbage, as the choices say. Keeps the journal that a shell would keep.
 */
export class Chaos {
  readonly #init: ChaosInit
  readonly #names: NodeId[]
  readonly #mail: { readonly at: number; readonly event: CoordinatorEvent; repeated: boolean }[] = []
  readonly #config: CoordinatorConfig
  #choice = 0
  #entropy = 0
  #now = 1_000_000
  #crashing = false
  state: CoordinatorState
  readonly journal: CoordinatorEvent[] = []
  readonly accepted = new Map<number, number>()
  readonly accused = new Set<number>()
  #last: CoordinatorEvent | null = null
  /** Nodes that have crashed or are about to, until they offer themselves again. */
  readonly #crashes = new Set<NodeId>()
  /** How often each node was cut off. */
  readonly #blips = new Map<number, number>()

  constructor(init: ChaosInit) {
    this.#init = init
    this.#names = init.nodes.map((_, i) => `node-${i}` as NodeId)
    this.#config = {
      campaign: 'c' as never,
      f: init.f,
      count: init.tasks,
      deadline: this.#now + (init.deadlineSeconds ?? 200) * SECOND,
      minReputation: 0,
      wallTime: 5 * SECOND,
      engines: init.engines ?? 'any',
      policy: { ...DEFAULT_POLICY, poolGrace: 20 * SECOND },
    }
    this.state = initialState(this.#config)
  }

  /** Runs to the end; the number of steps taken. */
  run(maxSteps = 20_000): number {
    this.#names.forEach((node, i) => {
      this.#post(this.#offer(node, i), i * 10)
    })
    for (let steps = 0; steps < maxSteps; steps++) {
      if (this.state.phase !== 'running') return steps
      const { crashEvery } = this.#init
      if (crashEvery > 0 && steps % crashEvery === crashEvery - 1) this.#crashing = true
      this.#next()
    }
    return maxSteps
  }

  /** The requester has had enough. */
  cancel(reason: string): void {
    this.#feed({ type: 'cancelled', now: this.#now, reason })
  }

  replayed(): CoordinatorState {
    const state = initialState(structuredClone(this.#config))
    for (const event of JSON.parse(JSON.stringify(this.journal)) as CoordinatorEvent[]) step(state, event)
    return state
  }

  /** After the journal was written and before the effects were carried out: the worst moment. */
  #crash(effects: readonly CoordinatorEffect[]): void {
    this.#crashing = false
    this.state = this.replayed()
    for (const effect of effects) {
      if (effect.type === 'accepted' || effect.type === 'accused') this.#carryOut(effect)
      if (effect.type !== 'assign') continue
      const { lease, node } = effect
      // Journaled and never sent: the shell tells that from silence.
      this.#post({ type: 'lost', now: 0, losses: [{ lease, node, reason: 'undelivered' }] }, 5 * SECOND)
    }
    this.#feed({ type: 'resumed', now: this.#now })
  }

  #pick(bound: number): number {
    const { choices } = this.#init
    const value = choices.length === 0 ? 0 : (choices[this.#choice++ % choices.length] as number)
    return (value + this.#choice) % bound
  }

  #offer(node: NodeId, i: number): CoordinatorEvent {
    return {
      type: 'offered',
      now: 0,
      node,
      consent: `consent-${i}`,
      consentExpires: Number.MAX_SAFE_INTEGER,
      operator: `owner-${i >> 1}` as NodeId,
      reputation: 0,
      engine: engineOf(i),
      slots: 1,
      queue: 4,
      replaces: null,
    }
  }

  #post(event: CoordinatorEvent, delay: number): void {
    this.#mail.push({ at: this.#now + delay, event, repeated: false })
  }

  /** Delivers one message, not always the oldest, or lets time pass. */
  #next(): void {
    const due = this.#mail.filter(({ at }) => at <= this.#now)
    const choice = this.#pick(16)
    // A network that delivers nothing for ever is no network.
    const overdue = due.some(({ at }) => this.#now - at > 10 * SECOND)
    if (due.length > 0 && (choice < 12 || overdue)) {
      const letter = due[this.#pick(Math.min(3, due.length))] as (typeof due)[number]
      // Some messages come twice, none for ever: time would stand still.
      if (choice !== 0 || letter.repeated) this.#mail.splice(this.#mail.indexOf(letter), 1)
      else letter.repeated = true
      this.#feed({ ...letter.event, now: this.#now })
    } else if (choice === 12) this.#garbage()
    else {
      // Nothing on its way: time passes faster.
      this.#now += (100 + this.#pick(400)) * (this.#mail.length === 0 ? 10 : 1)
      this.#feed({ type: 'sweep', now: this.#now })
    }
    const entropy = toHex(utf8(`${this.#entropy++}`))
    this.#feed({ type: 'assign', now: this.#now, entropy })
  }

  #feed(event: CoordinatorEvent): void {
    const result = step(this.state, event)
    this.#last = event
    if (event.type === 'offered') this.#crashes.delete(event.node)
    if (!result.changed) return
    this.journal.push(structuredClone(event))
    if (this.#crashing) this.#crash(result.effects)
    else for (const effect of result.effects) this.#carryOut(effect)
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.type) {
      case 'assign':
        this.#work(effect.node, effect.lease, effect.task)
        return
      case 'reveal':
        this.#reveal(effect.node, effect.lease)
        return
      case 'settle':
        this.#post({ type: 'settled', now: 0, leases: [effect.lease] }, 20)
        return
      case 'accepted':
        this.accepted.set(effect.task, (this.accepted.get(effect.task) ?? 0) + 1)
        return
      case 'accused':
        this.accused.add(this.#names.indexOf(effect.accusation.node))
        return
      default:
        return
    }
  }

  #work(node: NodeId, lease: LeaseId, task: number): void {
    const i = this.#names.indexOf(node)
    const behavior = this.#init.nodes[i] as Behavior
    const delay = 50 + this.#pick(200)
    const gone = { type: 'lost', now: 0, losses: [{ lease, node, reason: 'silent' }] } as const
    const blips = this.#blips.get(i) ?? 0
    if (behavior === 'flaky' && blips < 6) {
      this.#blips.set(i, blips + 1)
      this.#post(blips % 2 === 0 ? { type: 'departed', now: 0, node, reason: 'disconnected' } : gone, delay)
      this.#post(this.#offer(node, i), delay + SECOND)
    } else if (behavior === 'silent') {
      this.#post(gone, 20 * SECOND)
    } else if (behavior === 'crasher') {
      // It crashes once for all that it holds.
      if (this.#crashes.has(node)) return
      this.#crashes.add(node)
      this.#post({ type: 'departed', now: 0, node, reason: 'disconnected' }, delay)
      this.#post(this.#offer(node, i), delay + 3 * SECOND)
    } else if (behavior === 'refuser') {
      this.#post({ type: 'refused', now: 0, node, refusals: [{ lease, code: 'compute/busy' }] }, delay)
    } else {
      const commits = [{ lease, hash: this.#hash(i, behavior, task, lease) }]
      const event = { type: 'committed', now: 0, node, document: MODULE, commits } as const
      this.#post(event, behavior === 'slow' ? delay + 4 * SECOND : delay)
    }
  }

  /** A copier commits to another's promise; a breaker to something else than it will reveal. */
  #hash(i: number, behavior: Behavior, task: number, lease: LeaseId): Digest {
    const said = behavior === 'breaker' ? `other than said on ${task}` : answer(this.#init, i, task)
    const whose = behavior === 'copier' ? ('node-0' as NodeId) : (this.#names[i] as NodeId)
    return commitmentOf(this.#claim(said, task), nonceOf(lease), whose, lease)
  }

  #claim(said: string, task: number): Digest {
    return claimDigest({
      module: MODULE,
      input: digestOf(utf8(`input ${task}`)),
      output: digestOf(utf8(said)),
      trap: null,
      fuel: 7n as Fuel,
    })
  }

  #reveal(node: NodeId, lease: LeaseId): void {
    const i = this.#names.indexOf(node)
    const behavior = this.#init.nodes[i] as Behavior
    const task = this.state.leases[lease]?.task
    if (behavior === 'withholder' || task === undefined) {
      this.#post({ type: 'lost', now: 0, losses: [{ lease, node, reason: 'withheld' }] }, 5 * SECOND)
      return
    }
    const said = answer(this.#init, i, task)
    const reveal: Reveal = {
      lease,
      vote: { output: digestOf(utf8(said)), trap: null, fuel: '7' },
      claim: this.#claim(said, task),
      nonce: toHex(nonceOf(lease)),
    }
    this.#post({ type: 'revealed', now: 0, node, document: MODULE, reveals: [reveal] }, 20 + this.#pick(100))
  }

  /** Messages about leases of others, unknown ones, and the last one once more. */
  #garbage(): void {
    const leases = Object.values(this.state.leases)
    const victim = leases[this.#pick(Math.max(1, leases.length))]
    const stranger = this.#names[this.#pick(this.#names.length)] as NodeId
    if (victim === undefined || victim.node === stranger) {
      if (this.#last !== null) this.#feed({ ...this.#last, now: this.#now })
      return
    }
    const { id } = victim
    const now = this.#now
    const vote = { output: rightOutput(9999), trap: null, fuel: '1' }
    const reveal: Reveal = { lease: id, vote, claim: MODULE, nonce: toHex(nonceOf(id)) }
    this.#feed({
      type: 'committed',
      now,
      node: stranger,
      document: MODULE,
      commits: [{ lease: id, hash: MODULE }],
    })
    this.#feed({ type: 'revealed', now, node: stranger, document: MODULE, reveals: [reveal] })
    this.#feed({ type: 'lost', now, losses: [{ lease: id, node: stranger, reason: 'nonsense' }] })
    this.#feed({ type: 'refused', now, node: stranger, refusals: [{ lease: id, code: 'consent/expired' }] })
  }
}

function nonceOf(lease: LeaseId): Uint8Array {
  return fromHex(lease + lease)
}
