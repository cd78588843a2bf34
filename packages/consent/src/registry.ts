import { AskeeError, type Clock, errorCode, type NodeId } from '@askee/core'
import type { Database, Migration } from '@askee/store'
import type { ConsentGate, ConsentQuestion, CoveringConsent } from './gate.ts'
import { checkScope } from './scope.ts'
import { type ConsentClaims, fromPayload } from './token.ts'
import { checkTime, verifyConsent } from './verify.ts'

/** The registry's tables; run by `openDatabase` before the registry is made. */
export const CONSENT_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: 'CREATE TABLE consents (id TEXT PRIMARY KEY, token TEXT NOT NULL) STRICT' },
]

export interface ConsentRegistry extends ConsentGate {
  /**
   * Keeps a token after checking it.
   * @throws AskeeError with a ConsentErrorCode
   */
  add(token: string): Promise<ConsentClaims>
  /** All kept consents, live or not. */
  list(): readonly CoveringConsent[]
}

export interface ConsentRegistryInit {
  /** This node. */
  readonly subject: NodeId
  /** The owner of this machine: nobody else's grants count. */
  readonly issuer: NodeId
}

/** The consents of this machine's owner, kept in `database`, verified again whenever they are loaded. */
export async function createConsentRegistry(
  components: { database: Database; clock: Clock },
  init: ConsentRegistryInit,
): Promise<ConsentRegistry> {
  const { database, clock } = components
  const held = new Map<string, CoveringConsent>()

  const verified = async (token: string): Promise<CoveringConsent> => {
    const audience = claimedAudience(token)
    const claims = await verifyConsent(token, { ...init, audience }, clock.now())
    return { claims, token }
  }

  for (const row of database.prepare('SELECT token FROM consents').all() as { token: string }[]) {
    try {
      const consent = await verified(row.token)
      held.set(consent.claims.id, consent)
    } catch (error) {
      // An ended consent is history, not damage: it is kept on disk and simply no longer opens any door.
      if (errorCode(error) !== 'consent/expired') throw error
    }
  }

  return {
    async add(token) {
      const consent = await verified(token)
      database
        .prepare('INSERT OR IGNORE INTO consents (id, token) VALUES (?, ?)')
        .run(consent.claims.id, token)
      held.set(consent.claims.id, consent)
      return consent.claims
    },
    list: () => [...held.values()],
    covering(question: ConsentQuestion) {
      for (const consent of held.values()) {
        if (covers(consent.claims, question, clock.now())) return consent
      }
      return undefined
    },
    check(consentId, question) {
      const consent = held.get(consentId)
      if (consent === undefined)
        throw new AskeeError('consent/unknown', `no consent ${consentId} is held here`)
      checkTime(consent.claims, clock.now())
      checkScope(consent.claims, question)
    },
  }
}

function covers(claims: ConsentClaims, question: ConsentQuestion, now: number): boolean {
  try {
    checkTime(claims, now)
    checkScope(claims, question)
    return true
  } catch {
    return false
  }
}

/** The owner's own registry takes grants to any requester; the door asks for the right one each time. */
function claimedAudience(token: string): NodeId {
  try {
    return fromPayload(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).audience
  } catch (cause) {
    if (cause instanceof AskeeError) throw cause
    throw new AskeeError('consent/malformed', 'expected a compact JWS', {}, { cause })
  }
}
