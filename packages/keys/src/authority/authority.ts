import { AskeeError, type Milliseconds, type NodeId } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'
import { type Certificate, type IssueComponents, isSerialOf, issueNode } from './issue.ts'
import { type CertificateRevocationReason, makeRevocationList, type RevokedCertificate } from './list.ts'
import {
  CAPABILITIES,
  type Capability,
  LIST_LIFE,
  MAX_NODE_HOURS,
  MAX_REVOKED,
  MIN_NODE_HOURS,
} from './names.ts'
import type { CertificateSigner } from './signer.ts'

const REQUEST_DOMAIN = 'askee/certificate-request/1'
const MAX_REQUEST_BYTES = 512
/** A request is good for as long as clocks may differ, so that an old one brings no certificate to a key given up. */
const REQUEST_LIFE = 5 * 60_000
const HOUR = 3_600_000

const requestSchema = z.strictObject({
  v: z.literal(1),
  capabilities: z.array(z.enum(CAPABILITIES)).max(CAPABILITIES.length),
  hours: z.number().int().min(MIN_NODE_HOURS).max(MAX_NODE_HOURS),
  at: z.number().int(),
})

/** What an authority must not forget; its keeper is the caller. */
export interface AuthorityState {
  /** Number of the last list; the next is higher. */
  readonly listNumber: number
  readonly revoked: readonly RevokedCertificate[]
}

export interface AuthorityComponents extends IssueComponents {
  /** Signs for nodes; an intermediate. For the root's own list: the root. */
  readonly signer: CertificateSigner
  readonly certificate: Certificate
  /** Which of the capabilities asked for a node gets; refuses by throwing. */
  readonly grant: (node: NodeId, asked: readonly Capability[]) => readonly Capability[]
  /**
   * Keeps the state and the list that says it; resolves when they are on disk. Nothing is handed out before. A list and
   * the certificate of its authority are enough to go on from (`readRevocationList`).
   */
  readonly keep: (state: AuthorityState, list: Uint8Array) => Promise<void>
  /**
   * After what time a revoked certificate may leave a full list: longer than any that is issued lives. Default never, as
   * for intermediates; for nodes `NODE_REVOCATION_LIFE`.
   */
  readonly keepRevokedFor?: Milliseconds
}

/** Issues certificates of 24 to 72 hours, and says which of them no longer hold. */
export interface Authority {
  /**
   * @param request signed by the node that the certificate is for: it shows that it has the key
   * @throws AskeeError `certificate/request`, `codec/*`, `signature/*`
   */
  issue(request: Uint8Array): Promise<Certificate>
  /**
   * Revokes, and gives the new list.
   * @param origin `own`: only what this authority issued; `any`: also what it cannot tell to be its own
   * @throws AskeeError `certificate/serial`, `certificate/unknown-serial` when this authority never gave that number,
   * `certificate/list-full`
   */
  revoke(serial: string, reason: CertificateRevocationReason, origin?: 'own' | 'any'): Promise<Uint8Array>
  /** A list valid for 24 hours, with a higher number than any before (RFC 5280, 5). */
  revocationList(): Promise<Uint8Array>
}

/** Asks for a certificate. */
export function requestCertificate(
  identity: Identity,
  init: { readonly capabilities: readonly Capability[]; readonly hours: number; readonly now: number },
): Uint8Array {
  const { capabilities, hours, now } = init
  return signDocument(identity, REQUEST_DOMAIN, { v: 1, capabilities: [...capabilities], hours, at: now })
}

export function createAuthority(
  components: AuthorityComponents,
  start: AuthorityState = { listNumber: 0, revoked: [] },
): Authority {
  const { signer, certificate, clock, grant, keep } = components
  let state = start
  let lane: Promise<unknown> = Promise.resolve()

  const list = async (revoked: readonly RevokedCertificate[]): Promise<Uint8Array> => {
    const now = clock.now()
    const next = { listNumber: state.listNumber + 1, revoked }
    const content = { number: next.listNumber, from: now, until: now + LIST_LIFE, revoked }
    const bytes = await makeRevocationList(content, certificate, signer)
    await keep(next, bytes)
    state = next
    return bytes
  }
  /**
   * With room for one more. A clock that is wrong for a moment would empty a list that goes by time alone, so only the one
   * whose place is needed leaves it.
   */
  const withRoom = (held: readonly RevokedCertificate[]): readonly RevokedCertificate[] => {
    if (held.length < MAX_REVOKED) return held
    const life = components.keepRevokedFor ?? Infinity
    const over = held.findIndex(({ at }) => at + life <= clock.now())
    if (over < 0) throw listFull(held, life)
    return held.toSpliced(over, 1)
  }
  const inTurn = (work: () => Promise<Uint8Array>): Promise<Uint8Array> => {
    const turn = lane.then(work)
    lane = turn.catch(() => undefined)
    return turn
  }

  return {
    async issue(request) {
      const { signer: node, value } = verifyDocument(request, REQUEST_DOMAIN, requestSchema, {
        maxBytes: MAX_REQUEST_BYTES,
      })
      if (Math.abs(clock.now() - value.at) > REQUEST_LIFE) {
        throw new AskeeError('certificate/request', 'the request is more than five minutes off; ask again')
      }
      const capabilities = grant(node, value.capabilities).filter((one) => value.capabilities.includes(one))
      return issueNode(components, { signer, certificate }, { node, capabilities, life: value.hours * HOUR })
    },
    revoke: (serial, reason, origin = 'own') =>
      inTurn(async () => {
        if (!/^(?:[0-9a-f]{2}){1,20}$/.test(serial)) {
          throw new AskeeError('certificate/serial', 'expected a serial number in hexadecimal')
        }
        const held = state.revoked
        if (held.some((one) => one.serial === serial)) return list(held)
        if (origin === 'own' && !isSerialOf(signer, serial)) throw unknownSerial(serial)
        return list([...withRoom(held), { serial, at: clock.now(), reason }])
      }),
    revocationList: () => inTurn(() => list(state.revoked)),
  }
}

function unknownSerial(serial: string): AskeeError {
  return new AskeeError(
    'certificate/unknown-serial',
    `this authority gave no certificate the number ${serial}: it is mistyped, or of another authority. Nothing was revoked.`,
    { serial },
  )
}

function listFull(held: readonly RevokedCertificate[], life: Milliseconds): AskeeError {
  const first = Math.min(...held.map(({ at }) => at)) + life
  const when = Number.isFinite(first)
    ? `The first may leave it ${new Date(first).toISOString()}`
    : 'None leaves it'
  return new AskeeError(
    'certificate/list-full',
    `${held.length} certificates are on the list, and verifiers take no more. Nothing was revoked. ${when}.`,
  )
}
