import { decode, encode, errorText, type Logger, type Mesh, type NodeId } from '@askee/core'
import { openCheckpoint } from '../checkpoint.ts'
import { MAX_WITNESS_BYTES, WITNESS_PROTOCOL, witnessAnswerSchema } from './protocol.ts'

/** Witnesses asked at most; one that kept a note is enough to find a log that was written anew. */
const ASKED = 8

/** What a connected node keeps of a log. */
export interface KeptNote {
  readonly witness: NodeId
  readonly note: string
}

/**
 * The last notes of `origin`'s log that connected nodes cosigned. A node that does not know the log yet cosigns `note` instead
 * and keeps that.
 * @param note the newest checkpoint of the log
 */
export async function notesOfWitnesses(
  { mesh, logger }: { mesh: Mesh; logger: Logger },
  origin: NodeId,
  note: string,
  signal?: AbortSignal,
): Promise<KeptNote[]> {
  const ask = async (witness: NodeId): Promise<KeptNote[]> => {
    try {
      // From nothing: whoever knows more answers with what it knows.
      const body = encode({ note, from: 0, proof: [] })
      const bytes = await mesh.request(witness, WITNESS_PROTOCOL, body, {
        maxResponseBytes: MAX_WITNESS_BYTES,
        ...(signal === undefined ? {} : { signal }),
      })
      const answer = decode(bytes, witnessAnswerSchema, MAX_WITNESS_BYTES)
      if (answer.state !== 'known') return []
      // Another's log, however well it is signed, says nothing of this one.
      return openCheckpoint(answer.note).origin === origin ? [{ witness, note: answer.note }] : []
    } catch (error) {
      logger.debug({ peer: witness, error: errorText(error) }, 'a witness did not show what it keeps')
      return []
    }
  }
  return (await Promise.all(mesh.peers().slice(0, ASKED).map(ask))).flat()
}
