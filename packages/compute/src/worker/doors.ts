import {
  AskeeError,
  type CampaignId,
  decode,
  encode,
  type LeaseId,
  type Mesh,
  type NodeId,
} from '@askee/core'
import { type Settlement, verifySettlement } from '../protocol/documents.ts'
import { type SignedManifest, verifyManifest } from '../protocol/manifest.ts'
import {
  type Assign,
  type AssignAnswer,
  assignSchema,
  type RevealAnswer,
  revealSchema,
  settleSchema,
} from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES, PROTOCOL_LIMITS, PROTOCOLS, STRANGE_ASSIGN_BYTES } from '../protocol/names.ts'

/** What the worker does about requests that passed the doors' parsing. Throws AskeeErrors to refuse. */
export interface WorkerDoorHandlers {
  /** Whether a lease of this requester is held here. Constant time. */
  holdsLeaseOf(requester: NodeId): boolean
  /** Whether this worker offered itself to the requester. Constant time. */
  offeredTo(requester: NodeId): boolean
  assign(from: NodeId, signed: SignedManifest, message: Assign): AssignAnswer
  reveal(from: NodeId, campaign: CampaignId, leases: readonly LeaseId[]): Promise<RevealAnswer>
  settle(from: NodeId, settlement: Settlement, document: Uint8Array): void
  /** The consents that leases of this requester are held under. */
  consentsOf(from: NodeId, leases: readonly LeaseId[]): readonly string[]
  /** Resolves when a request of `from` and its answer, so many bytes, may have travelled under a consent for it. */
  pace(from: NodeId, consent: string, bytes: number, signal: AbortSignal): Promise<void>
  /** @throws AskeeError with the code of why one of the leases may not be shown any more */
  assertShown(from: NodeId, leases: readonly LeaseId[]): void
}

/** Opens the worker's doors to requesters; the returned function closes them. */
export function openWorkerDoors(mesh: Mesh, handlers: WorkerDoorHandlers): () => void {
  const manifests = new RecentManifest()
  const closers = [
    mesh.handle(PROTOCOLS.assign, PROTOCOL_LIMITS.assign, async ({ from, body, signal }) => {
      if (
        body.byteLength > STRANGE_ASSIGN_BYTES &&
        !handlers.offeredTo(from) &&
        !handlers.holdsLeaseOf(from)
      ) {
        throw new AskeeError('compute/not-offered', 'nothing was offered to this requester')
      }
      const message = decode(body, assignSchema, MAX_MESSAGE_BYTES)
      const answer = encode(handlers.assign(from, manifests.verify(message.manifest), message))
      await handlers.pace(from, message.consent, body.byteLength + answer.byteLength, signal)
      return answer
    }),
    mesh.handle(PROTOCOLS.reveal, PROTOCOL_LIMITS.reveal, async ({ from, body, signal }) => {
      assertHolds(handlers, from)
      const message = decode(body, revealSchema, MAX_MESSAGE_BYTES)
      const answer = await handlers.reveal(from, message.campaign, message.leases)
      const bytes = encode(answer)
      const shown = answer.reveals.map(({ lease }) => lease)
      // What is shown is under one consent. Where nothing is held the answer is short, and there is no consent.
      const [consent] = handlers.consentsOf(from, [...shown, ...message.leases])
      if (consent !== undefined)
        await handlers.pace(from, consent, body.byteLength + bytes.byteLength, signal)
      // CON-1: the wait may have been long.
      handlers.assertShown(from, shown)
      return bytes
    }),
    mesh.handle(PROTOCOLS.settle, PROTOCOL_LIMITS.settle, async ({ from, body, signal }) => {
      assertHolds(handlers, from)
      const { document } = decode(body, settleSchema, MAX_MESSAGE_BYTES)
      const { value } = verifySettlement(document, from)
      const leases = value.settlements.map(({ lease }) => lease)
      const [consent] = handlers.consentsOf(from, leases)
      handlers.settle(from, value, document)
      if (consent !== undefined) await handlers.pace(from, consent, body.byteLength, signal)
      return encode({})
    }),
  ]
  return () => {
    for (const close of closers) close()
  }
}

/** A look that costs next to nothing, before a message of up to 1 MiB is decoded (NET-5). */
function assertHolds(handlers: WorkerDoorHandlers, from: NodeId): void {
  if (!handlers.holdsLeaseOf(from)) throw new AskeeError('compute/no-lease', 'no lease of yours is held here')
}

/** Manifests verified lately, by their bytes: a campaign's assignments all carry the same. */
class RecentManifest {
  static readonly #capacity = 32
  readonly #verified = new Map<string, SignedManifest>()

  verify(bytes: Uint8Array): SignedManifest {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    const held = this.#verified.get(key)
    if (held !== undefined) return held
    const signed = verifyManifest(bytes)
    if (this.#verified.size >= RecentManifest.#capacity) {
      this.#verified.delete(this.#verified.keys().next().value as string)
    }
    this.#verified.set(key, signed)
    return signed
  }
}
