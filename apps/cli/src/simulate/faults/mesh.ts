import {
  type Assign,
  assignAnswerSchema,
  assignSchema,
  type Heartbeat,
  heartbeatSchema,
  revealAnswerSchema,
} from '@askee/compute/protocol/messages'
import { PROTOCOLS } from '@askee/compute/protocol/names'
import { type Digest, decode, digestOf, encode, type LeaseId, type Mesh } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { faultOn, type Mischief } from './draw.ts'

const MAX_BYTES = 2 * 1024 * 1024

/** What a copier gets out of others. */
export interface StolenAnswers {
  /** An answer to the task with this input that some node gave away, or undefined. */
  steal(input: Digest): Promise<Uint8Array | undefined>
}

interface Seen {
  readonly input: Digest
  readonly campaign: Digest
  readonly lease: LeaseId
}

/**
 * The worker's view of the mesh on a faulty node: leases of "silent" tasks are left out of every heartbeat, and leases of
 * all tasks are noted for the copier, who asks other workers to reveal as if it were their requester. The ids of other
 * nodes' leases are random and known to nobody else, so it can only offer its own; that a worker refuses a stranger who does
 * know the right id is proven in packages/compute/test/doors.test.ts.
 */
export function faultyMesh(mesh: Mesh, mischief: Mischief): { mesh: Mesh; stolen: StolenAnswers } {
  const seen = new Map<LeaseId, Seen>()

  const note = (assign: Assign, accepted: readonly LeaseId[]): void => {
    for (const lease of assign.leases) {
      if (!accepted.includes(lease.lease)) continue
      seen.set(lease.lease, { input: lease.input, campaign: digestOf(assign.manifest), lease: lease.lease })
    }
  }

  const isSilent = (lease: LeaseId): boolean => {
    const known = seen.get(lease)
    return known !== undefined && faultOn(mischief, known.input) === 'silent'
  }

  const wrapped = decorate(mesh, {
    request: (to, protocol, body, options) => {
      if (protocol !== PROTOCOLS.heartbeat) return mesh.request(to, protocol, body, options)
      const message = decode(body, heartbeatSchema, MAX_BYTES)
      return mesh.request(to, protocol, encode(withoutSilent(message, isSilent)), options)
    },
    handle: (protocol, limits, handler) =>
      mesh.handle(protocol, limits, async (request) => {
        const answer = await handler(request)
        if (protocol === PROTOCOLS.assign) {
          const { accepted } = decode(answer, assignAnswerSchema, MAX_BYTES)
          note(decode(request.body, assignSchema, MAX_BYTES), accepted)
        }
        return answer
      }),
  })

  const steal = async (input: Digest): Promise<Uint8Array | undefined> => {
    const own = [...seen.values()].filter((lease) => lease.input === input)
    for (const { campaign, lease } of own) {
      const question = encode({ v: 1, campaign, leases: [lease] })
      for (const peer of mesh.peers()) {
        const answer = await mesh
          .request(peer, PROTOCOLS.reveal, question, { timeout: 1_000 })
          .catch(() => undefined)
        if (answer === undefined) continue
        const output = decode(answer, revealAnswerSchema, MAX_BYTES).reveals[0]?.output
        if (output != null) return output
      }
    }
    return undefined
  }
  return { mesh: wrapped, stolen: { steal } }
}

function withoutSilent(message: Heartbeat, isSilent: (lease: LeaseId) => boolean): Heartbeat {
  return {
    ...message,
    campaigns: message.campaigns.map((entry) => ({
      ...entry,
      leases: entry.leases.filter((lease) => !isSilent(lease)),
    })),
  }
}
