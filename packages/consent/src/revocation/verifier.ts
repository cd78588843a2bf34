import { type Clock, errorText, type Logger, type Milliseconds, type NodeId } from '@askee/core'
import type { TokenVerifier } from '../gate.ts'
import type { ConsentClaims } from '../token/claims.ts'
import { verifyConsent } from '../token/verify.ts'
import type { RevocationBook } from './book.ts'
import { checkStatus, wantsNews } from './freshness.ts'
import type { RevocationLookup } from './lookup.ts'
import { type StatusList, verifyStatusList } from './status-list.ts'
import { Turns } from './turns.ts'

/** Where status lists come from: the node that the token is about, or the mesh's records. */
export interface StatusSource {
  /** The newest signed list at `uri`, or undefined when nobody has it. */
  fetch(uri: string, subject: NodeId): Promise<string | undefined>
}

export interface VerifierComponents {
  readonly clock: Clock
  readonly revocations?: RevocationBook
  readonly statuses?: StatusSource
  /** Asked in the background: what it finds refuses the token the next time, and tells those who listen to the book at once. */
  readonly lookup?: RevocationLookup
  readonly logger?: Logger
}

/** Lists kept, the least recently used dropped. */
const KEPT_LISTS = 4096
/** Fetches at once; one is a question, and a walk through the records where it has no answer. */
const MAX_FETCHES = 16
/** Between two fetches of one list. */
const FETCH_PAUSE_MS = 10_000

/**
 * The verifier of whoever is shown tokens: offline, then by the revocations that were heard of, then by the token's status
 * list where the evidence is getting old.
 */
export function createTokenVerifier(components: VerifierComponents): TokenVerifier {
  const lists = new Lists(components)
  const { clock, revocations, lookup } = components
  return async (token, expected) => {
    const consent = verifyConsent(token, expected, clock.now())
    revocations?.check(consent)
    void lookup?.look(consent)
    for (const link of [consent, ...consent.ancestors]) {
      checkStatus(link, await lists.of(link), clock.now())
    }
    // Something may have been heard while lists were fetched.
    revocations?.check(consent)
    return consent
  }
}

interface HeldList {
  readonly list: StatusList | undefined
  /** Monotonic: a clock that is set back must not keep anybody from asking again. */
  readonly asked: Milliseconds
}

class Lists {
  readonly #components: VerifierComponents
  readonly #held = new Map<string, HeldList>()
  readonly #turns = new Turns(MAX_FETCHES)
  /** Asked for now: however many tokens name it, one question is on its way. */
  readonly #asking = new Map<string, Promise<StatusList | undefined>>()

  constructor(components: VerifierComponents) {
    this.#components = components
  }

  async of(claims: ConsentClaims): Promise<StatusList | undefined> {
    const { clock, statuses } = this.#components
    const key = `${claims.issuer} ${claims.subject} ${claims.status.list}`
    const held = this.#held.get(key)
    if (statuses === undefined || !wantsNews(claims, held?.list, clock.now())) return held?.list
    if (held !== undefined && clock.monotonic() - held.asked < FETCH_PAUSE_MS) return held.list
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    // As for looks: whoever shows much waits behind himself.
    const turn = this.#turns.take(claims.subject, held === undefined ? 'new' : 'known')
    if (turn === undefined) return held?.list
    const asked = turn.then(() => this.#ask(key, statuses, claims))
    this.#asking.set(key, asked)
    return asked
  }

  async #ask(key: string, statuses: StatusSource, claims: ConsentClaims): Promise<StatusList | undefined> {
    try {
      const list = await this.#fetch(key, statuses, claims)
      this.#held.delete(key)
      this.#held.set(key, { list, asked: this.#components.clock.monotonic() })
      if (this.#held.size > KEPT_LISTS) this.#held.delete(this.#held.keys().next().value as string)
      return list
    } finally {
      this.#asking.delete(key)
      this.#turns.pass()
    }
  }

  /** The newest list there is, of what is held and what is given. */
  async #fetch(key: string, statuses: StatusSource, claims: ConsentClaims): Promise<StatusList | undefined> {
    const { clock, logger } = this.#components
    const { list: uri } = claims.status
    const held = (): StatusList | undefined => this.#held.get(key)?.list
    try {
      const text = await statuses.fetch(uri, claims.subject)
      if (text === undefined) return held()
      const list = verifyStatusList(text, { uri, issuer: claims.issuer }, clock.now())
      const before = held()
      // An old list that is shown again takes nothing back.
      return before !== undefined && before.issuedAt > list.issuedAt ? before : list
    } catch (error) {
      logger?.debug({ uri, error: errorText(error) }, 'no status list of a consent')
      return held()
    }
  }
}
