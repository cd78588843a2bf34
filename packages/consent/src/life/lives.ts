import { errorText, type Logger, type NodeId, type Timestamp } from '@askee/core'
import { refuse } from '../errors.ts'
import type { ConsentClaims } from '../token/claims.ts'
import { verifiedChain } from '../token/verify.ts'
import type { ConsentHistory } from './history.ts'
import { isOpen } from './machine.ts'
import { type ConsentManifest, verifyConsentManifest } from './manifest.ts'
import type { ConsentRecords } from './records.ts'
import type { ConsentEntry } from './registry.ts'
import type { ConsentState } from './state.ts'

/** A token, its claims and its certificate, checked. */
export interface HeldToken {
  readonly token: string
  readonly claims: ConsentClaims
  readonly certificate: string
}

/** One consent in memory. */
export interface Life {
  readonly id: string
  /** The manifest as it was signed. */
  readonly text: string
  readonly manifest: ConsentManifest
  readonly digest: string
  state: ConsentState
  statusIndex: number | null
  changed: Timestamp
  /** The newest token; null before the grant, and when what is on disk does not verify: then no door opens. */
  held: HeldToken | null
}

/** Fewer characters of an id are more likely a slip than a choice. */
const LEAST_PREFIX = 4

/** Consents by their ids, and by the ids of all their tokens. */
export class Lives {
  readonly #byId = new Map<string, Life>()
  readonly #byToken = new Map<string, Life>()

  /** Reads and verifies what is on disk. What was revoked stays so, whatever its row says. */
  static load(
    records: ConsentRecords,
    history: ConsentHistory,
    parties: { readonly issuer: NodeId; readonly subject: NodeId },
    logger: Logger,
  ): Lives {
    const lives = new Lives()
    const revoked = new Set(
      history
        .entries()
        .filter(({ act }) => act === 'revoked')
        .map(({ consent }) => consent),
    )
    const tokens = new Map(records.tokens().map((row) => [row.id, row]))
    for (const { id, state, manifest: text, statusIndex, changed } of records.lives()) {
      try {
        const { manifest, digest } = verifyConsentManifest(text)
        const life: Life = { id, text, manifest, digest, state, statusIndex, changed, held: null }
        lives.add(life)
        const newest = tokens.get(tokensOf(state)[0] ?? '')
        if (newest !== undefined) life.held = heldToken(newest, parties)
        if (revoked.has(id) && state.phase !== 'revoked' && 'given' in state && state.given !== null) {
          life.state = { phase: 'revoked', given: state.given, at: changed }
        }
      } catch (error) {
        logger.error(
          { consent: id, error: errorText(error) },
          'a consent on disk is damaged and opens no door',
        )
      }
    }
    return lives
  }

  add(life: Life): void {
    this.#byId.set(life.id, life)
    this.index(life)
  }

  /** Makes a life known by all its tokens. */
  index(life: Life): void {
    for (const token of tokensOf(life.state)) this.#byToken.set(token, life)
  }

  delete(life: Life): void {
    this.#byId.delete(life.id)
  }

  all(): Life[] {
    return [...this.#byId.values()]
  }

  /** By the id of any of its tokens. */
  ofToken(token: string): Life | undefined {
    return this.#byToken.get(token)
  }

  /**
   * By its id, or the beginning of it.
   * @throws AskeeError `consent/unknown`, `consent/ambiguous` naming those that it could be
   */
  find(id: string): Life {
    const exact = this.#byId.get(id)
    if (exact !== undefined) return exact
    const matches = id.length < LEAST_PREFIX ? [] : this.all().filter((life) => life.id.startsWith(id))
    const [only] = matches
    if (only === undefined) {
      const hint =
        id.length < LEAST_PREFIX
          ? `; give its id, or at least the first ${LEAST_PREFIX} characters of it`
          : ''
      throw refuse(
        'consent/unknown',
        `no consent ${id} is held here${hint} (they are listed by: askee consent list --all)`,
      )
    }
    if (matches.length > 1) {
      const named = matches.slice(0, 5).map((life) => life.id.slice(0, id.length + 8))
      const rest = matches.length > named.length ? ` and ${matches.length - named.length} more` : ''
      throw refuse(
        'consent/ambiguous',
        `${matches.length} consents begin with ${id}, give more of it: ${named.join(', ')}${rest}`,
      )
    }
    return only
  }
}

/** Ids of a state's tokens, newest first. */
export function tokensOf(state: ConsentState): readonly string[] {
  return 'given' in state && state.given !== null ? state.given.tokens : []
}

/** A life as others see it. */
export function entryOf(life: Life, now: Timestamp): ConsentEntry {
  const { state, held, manifest, id, changed } = life
  const given = 'given' in state ? state.given : null
  const shown = state.phase === 'reviewed' ? state.shown : null
  return {
    id,
    phase: state.phase,
    live: held !== null && isOpen(state, now),
    manifest,
    terms: given?.terms ?? shown?.terms ?? manifest.terms,
    claims: held?.claims ?? null,
    token: held?.token ?? null,
    tokens: tokensOf(state),
    certificate: held?.certificate ?? null,
    changed,
  }
}

function heldToken(
  { token, certificate }: { token: string; certificate: string },
  parties: { readonly issuer: NodeId; readonly subject: NodeId },
): HeldToken {
  const [claims, ...more] = verifiedChain(token)
  if (claims === undefined || more.length > 0 || claims.issuer !== parties.issuer) {
    throw refuse('consent/issuer', `expected a grant of ${parties.issuer}`)
  }
  if (claims.subject !== parties.subject) {
    throw refuse('consent/subject', `expected a grant for ${parties.subject}`)
  }
  return { token, claims, certificate }
}
