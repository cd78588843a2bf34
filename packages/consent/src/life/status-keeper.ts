import type { Clock, Milliseconds, Random } from '@askee/core'
import type { Identity } from '@askee/keys'
import { refuse } from '../errors.ts'
import { signStatusList } from '../revocation/status-list.ts'
import { STATUS_ENTRIES } from '../token/claims.ts'
import type { Life } from './lives.ts'

/** How long a signed list is good for. */
const LIST_LIFETIME_MS = 24 * 3_600_000
/** It is signed anew after this long, so that it is young evidence for those who need that. */
const RESIGN_MS = 60_000

/** The status list of this node's own consents: signed when somebody asks, and kept until something changes. */
export class StatusKeeper {
  readonly #components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity }
  readonly #uri: string
  /** `at` is monotonic: on a clock that is set back one list would stand until it is there again. */
  #held: { readonly text: string; readonly at: Milliseconds } | null = null

  constructor(
    components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity },
    uri: string,
  ) {
    this.#components = components
    this.#uri = uri
  }

  /**
   * A place in the list that no consent has, drawn by lot: places in order would tell how many there are.
   * @throws AskeeError `consent/full`
   */
  freeIndex(lives: readonly Life[]): number {
    const taken = new Set(lives.map(({ statusIndex }) => statusIndex))
    const free = Array.from({ length: STATUS_ENTRIES }, (_, i) => i).filter((index) => !taken.has(index))
    const index = free[this.#components.random.below(Math.max(1, free.length))]
    if (index === undefined) {
      throw refuse('consent/full', `all ${STATUS_ENTRIES} places of the status list are taken`)
    }
    return index
  }

  changed(): void {
    this.#held = null
  }

  signed(lives: readonly Life[]): string {
    const { clock, volunteer } = this.#components
    const at = clock.monotonic()
    if (this.#held !== null && at - this.#held.at < RESIGN_MS) return this.#held.text
    const statuses = new Map<number, 'invalid' | 'suspended'>()
    for (const { statusIndex, state } of lives) {
      if (statusIndex === null) continue
      if (state.phase === 'revoked') statuses.set(statusIndex, 'invalid')
      if (state.phase === 'suspended') statuses.set(statusIndex, 'suspended')
    }
    const text = signStatusList(volunteer, {
      uri: this.#uri,
      now: clock.now(),
      lifetime: LIST_LIFETIME_MS,
      entries: STATUS_ENTRIES,
      statuses,
    })
    this.#held = { text, at }
    return text
  }
}
