import { AskeeError, type Clock, concat, encode, type Random, toHex } from '@askee/core'
import { NONCE_BYTES, seal, unseal } from '../aead.ts'
import type { Database } from '../database.ts'
import { KEY_BYTES } from '../derive-key.ts'

/** The device key of `@askee/keys`, as far as it is needed here. */
export interface KeyWrapping {
  wrap(secret: Uint8Array, context: string): Promise<Uint8Array>
  unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array>
}

/** An epoch key in memory. */
export interface Epoch {
  readonly id: string
  readonly sequence: number
  readonly key: Uint8Array
}

const contextOf = (id: string): string => `askee/store/epoch/${id}`

/** All epochs on disk, unwrapped, the newest last; more than one only while a rotation goes on. */
export async function loadEpochs(database: Database, device: KeyWrapping): Promise<Epoch[]> {
  const rows = database.prepare('SELECT id, sequence, wrapped FROM vault_epochs ORDER BY sequence').all() as {
    id: string
    sequence: number
    wrapped: Uint8Array
  }[]
  const epochs: Epoch[] = []
  for (const { id, sequence, wrapped } of rows) {
    epochs.push({ id, sequence, key: await device.unwrap(Uint8Array.from(wrapped), contextOf(id)) })
  }
  return epochs
}

/** A new epoch, on disk when it resolves. */
export async function makeEpoch(
  database: Database,
  device: KeyWrapping,
  { clock, random }: { clock: Clock; random: Random },
): Promise<Epoch> {
  const id = toHex(random.bytes(16))
  const key = random.bytes(KEY_BYTES)
  const wrapped = await device.wrap(key, contextOf(id))
  const sequence = database
    .prepare(
      `INSERT INTO vault_epochs (id, sequence, created, wrapped)
       SELECT ?, 1 + coalesce(max(sequence), 0), ?, ? FROM vault_epochs RETURNING sequence`,
    )
    .pluck()
    .get(id, clock.now(), wrapped) as number
  return { id, sequence, key }
}

/** A data key for its row: nonce ‖ ciphertext, bound to subject, kid and epoch. */
export function wrapDataKey(
  epoch: Epoch,
  row: { subject: string; kid: Uint8Array },
  dataKey: Uint8Array,
  random: Random,
): Uint8Array {
  const nonce = random.bytes(NONCE_BYTES)
  return concat(nonce, seal(epoch.key, nonce, rowContext(epoch, row), dataKey))
}

/** @throws AskeeError `store/vault-damaged` */
export function unwrapDataKey(
  epoch: Epoch,
  row: { subject: string; kid: Uint8Array; wrapped: Uint8Array },
): Uint8Array {
  const nonce = row.wrapped.subarray(0, NONCE_BYTES)
  const key = unseal(epoch.key, nonce, rowContext(epoch, row), row.wrapped.subarray(NONCE_BYTES))
  if (key !== undefined) return key
  throw new AskeeError(
    'store/vault-damaged',
    `the data key ${toHex(row.kid)} does not open: its row was changed or belongs to another subject`,
  )
}

function rowContext(epoch: Epoch, { subject, kid }: { subject: string; kid: Uint8Array }): Uint8Array {
  return encode({ use: 'askee/store/data-key/1', subject, kid: Uint8Array.from(kid), epoch: epoch.id })
}
