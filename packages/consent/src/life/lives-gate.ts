import type { Clock } from '@askee/core'
import { refuse } from '../errors.ts'
import type { ConsentGate, ConsentLimits, ConsentQuestion, CoveringConsent } from '../gate.ts'
import type { ConsentPermissions } from '../terms.ts'
import { checkScope } from '../token/scope.ts'
import { checkTime } from '../token/verify.ts'
import { type Life, type Lives, tokensOf } from './lives.ts'
import { closedBecause } from './machine.ts'

const GIGABYTE = 1e9
const MEGABIT = 1e6

/** The gate over the consents of this machine. */
export class LivesGate implements ConsentGate {
  readonly #lives: Lives
  readonly #clock: Clock

  constructor(lives: Lives, clock: Clock) {
    this.#lives = lives
    this.#clock = clock
  }

  covering(question: ConsentQuestion): CoveringConsent | undefined {
    for (const life of this.#lives.all()) {
      const { held } = life
      if (held === null || held.claims.audience !== question.requester) continue
      try {
        this.#check(life, question)
        return { claims: held.claims, token: held.token }
      } catch {
        // The next one may cover it.
      }
    }
    return undefined
  }

  check(consentId: string, question: ConsentQuestion): ConsentPermissions {
    const life = this.#lives.ofToken(consentId)
    if (life === undefined) throw refuse('consent/unknown', `no consent ${consentId} is held here`)
    return this.#check(life, question)
  }

  hasEnded(consentId: string): boolean {
    const phase = this.#lives.ofToken(consentId)?.state.phase
    return phase === 'revoked' || phase === 'expired'
  }

  limitsOf(consentId: string): ConsentLimits | undefined {
    const life = this.#lives.ofToken(consentId)
    if (life === undefined) return undefined
    // Of one whose token is damaged nothing is allowed.
    const resources = life.held?.claims.permissions.resources
    return {
      consent: life.id,
      requester: life.manifest.requester,
      tokens: tokensOf(life.state),
      storageBytes: (resources?.storageGbMax ?? 0) * GIGABYTE,
      bytesPerSecond: ((resources?.bandwidthMbpsMax ?? 0) * MEGABIT) / 8,
    }
  }

  /** The narrowest consent holds: older tokens of a line open no more than the newest. */
  #check(life: Life, question: ConsentQuestion): ConsentPermissions {
    const { held, state } = life
    const closed = closedBecause(state, this.#clock.now())
    if (closed !== null) throw refuse(closed, `the consent ${life.id} is ${state.phase}`)
    if (held === null) throw refuse('consent/unknown', `the token of ${life.id} is damaged`)
    checkTime(held.claims, this.#clock.now())
    checkScope(held.claims, question)
    return held.claims.permissions
  }
}
