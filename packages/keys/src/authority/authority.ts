import { AskeeError, type Milliseconds, type NodeId } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'
import { type Certificate, type IssueComponents, issueNode } from './issue.ts'
import { cryptoOf, derInteger, SIGNING_ALGORITHM, SIGNING_KEY, x509 } from './library.ts'
import {
  CAPABILITIES,
  type Capability,
  CRL_NUMBER,
  LIST_LIFE,
  MAX_NODE_HOURS,
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

export type CertificateRevocationReason = 'compromised' | 'superseded' | 'ended' | 'withdrawn'

const REASONS = {
  compromised: 1,
  superseded: 4,
  ended: 5,
  withdrawn: 9,
} as const satisfies Record<CertificateRevocationReason, number>

export interface RevokedCertificate {
  /** Serial number in hexadecimal, as `verifyNodeCertificate` gives it. */
  readonly serial: string
  readonly at: number
  readonly reason: CertificateRevocationReason
}

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
  /** Keeps the state; resolves when it is on disk. Nothing is handed out before. */
  readonly keep: (state: AuthorityState) => Promise<void>
  /**
   * How long a revoked certificate stays on the list: longer than any that is issued lives. Default for ever, as for
   * intermediates; for nodes `NODE_REVOCATION_LIFE`.
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
  /** Revokes, and gives the new list. */
  revoke(serial: string, reason: CertificateRevocationReason): Promise<Uint8Array>
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
  const issuer = new x509.X509Certificate(Uint8Array.from(certificate))
  let state = start
  let lane: Promise<unknown> = Promise.resolve()

  const list = async (all: readonly RevokedCertificate[]): Promise<Uint8Array> => {
    const revoked = all.filter(({ at }) => at + (components.keepRevokedFor ?? Infinity) > clock.now())
    const next = { listNumber: state.listNumber + 1, revoked }
    await keep(next)
    state = next
    const now = clock.now()
    const made = await x509.X509CrlGenerator.create(
      {
        issuer: issuer.subject,
        thisUpdate: new Date(now),
        nextUpdate: new Date(now + LIST_LIFE),
        signingAlgorithm: SIGNING_ALGORITHM,
        signingKey: SIGNING_KEY,
        entries: revoked.map(({ serial, at, reason }) => ({
          serialNumber: serial,
          revocationDate: new Date(at),
          reason: REASONS[reason],
        })),
        extensions: [new x509.Extension(CRL_NUMBER, false, derInteger(next.listNumber))],
      },
      cryptoOf(signer),
    )
    return new Uint8Array(made.rawData)
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
    revoke: (serial, reason) =>
      inTurn(() => {
        if (!/^[0-9a-f]{2,40}$/.test(serial)) {
          throw new AskeeError('certificate/serial', 'expected a serial number in hexadecimal')
        }
        const others = state.revoked.filter((one) => one.serial !== serial)
        const held = state.revoked.find((one) => one.serial === serial)
        return list([...others, held ?? { serial, at: clock.now(), reason }])
      }),
    revocationList: () => inTurn(() => list(state.revoked)),
  }
}
