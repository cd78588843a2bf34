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
  /** A request of `from` took so many bytes of the line of the consent that it cites, or of another one for it. */
  came(from: NodeId, consent: string | undefined, bytes: number): void
  /** Resolves when an answer to `from`, so many bytes, may travel. */
  pace(from: NodeId, consent: string | undefined, bytes: number, signal: AbortSignal): Promise<void>
  /** @throws AskeeError with the code of why one of the leases may not be shown any more */
  assertShown(from: NodeId, leases: readonly LeaseId[]): void
}

/** Opens the worker's doors to requesters; the returned function closes them. */
export function openWorkerDoors(mesh: Mesh, handlers: WorkerDoorHandlers): () => void {
  const manifests = new RecentManifest()
  const closers = [
    mesh.handle(PROTOCOLS.assign, PROTOCOL_LIMITS.assign, async ({ from, body, signal }) => {
      return paced(handlers, { from, body, signal }, async (cite) => {
        if (
          body.byteLength > STRANGE_ASSIGN_BYTES &&
          !handlers.offeredTo(from) &&
          !handlers.holdsLeaseOf(from)
        ) {
          throw new AskeeError('compute/not-offered', 'nothing was offered to this requester')
        }
        const message = decode(body, assignSchema, MAX_MESSAGE_BYTES)
        cite(message.consent)
        return encode(handlers.assign(from, manifests.verify(message.manifest), message))
      })
    }),
    mesh.handle(PROTOCOLS.reveal, PROTOCOL_LIMITS.reveal, async ({ from, body, signal }) => {
      let shown: readonly LeaseId[] = []
      const bytes = await paced(handlers, { from, body, signal }, async (cite) => {
        assertHolds(handlers, from)
        const message = decode(body, revealSchema, MAX_MESSAGE_BYTES)
        const answer = await handlers.reveal(from, message.campaign, message.leases)
        shown = answer.reveals.map(({ lease }) => lease)
        // What is shown is under one consent.
        cite(handlers.consentsOf(from, [...shown, ...message.leases])[0])
        return encode(answer)
      })
      // CON-1: the wait may have been long.
      handlers.assertShown(from, shown)
      return bytes
    }),
    mesh.handle(PROTOCOLS.settle, PROTOCOL_LIMITS.settle, async ({ from, body, signal }) => {
      return paced(handlers, { from, body, signal }, async (cite) => {
        assertHolds(handlers, from)
        const { document } = decode(body, settleSchema, MAX_MESSAGE_BYTES)
        const { value } = verifySettlement(document, from)
        const leases = value.settlements.map(({ lease }) => lease)
        cite(handlers.consentsOf(from, leases)[0])
        handlers.settle(from, value, document)
        return encode({})
      })
    }),
  ]
  return () => {
    for (const close of closers) close()
  }
}

interface Arrived {
  readonly from: NodeId
  readonly body: Uint8Array
  readonly signal: AbortSignal
}

/**
 * What `handle` answers, once it may travel. The request came, whatever is wrong with it and however short its sender waits:
 * it is counted before any waiting (CON-2).
 * @param handle tells under which consent it was asked, as soon as it knows
 */
async function paced(
  handlers: WorkerDoorHandlers,
  { from, body, signal }: Arrived,
  handle: (cite: (consent: string | undefined) => void) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  let consent: string | undefined
  const cite = (cited: string | undefined): void => {
    consent = cited
  }
  let answer: Uint8Array
  try {
    answer = await handle(cite)
  } finally {
    handlers.came(from, consent, body.byteLength)
  }
  await handlers.pace(from, consent, answer.byteLength, signal)
  return answer
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
