import { AskeeError, bytesEqual, decode, encode, type Random } from '@askee/core'
import { z } from 'zod'
import { MAX_SECRET_BYTES } from '../device-key/device-key.ts'
import { lockWithPassphrase, unlockWithPassphrase } from '../device-key/passphrase-lock.ts'
import type { KeyStore } from './key-store.ts'

const CONTEXT = 'askee/key-backup/1'
const MAX_NAMES = 256

const contentSchema = z.strictObject({
  v: z.literal(1),
  secrets: z
    .array(z.strictObject({ name: z.string().max(80), bytes: z.instanceof(Uint8Array) }))
    .max(MAX_NAMES),
})

/**
 * The named secrets in one file that only the passphrase opens. Name what lasts (identities, the key of a database): a
 * sealing key that came back would open what was sealed before it was destroyed.
 * @returns at most 64 KiB; leave it where the machine's loss does not reach
 * @throws AskeeError `keys/backup-name` when one is not held, `keys/secret-size` when all together are too large,
 * `keys/passphrase-size`
 */
export async function backUpKeys(
  store: KeyStore,
  names: readonly string[],
  passphrase: string,
  random: Random,
): Promise<Uint8Array> {
  const secrets: { name: string; bytes: Uint8Array }[] = []
  for (const name of names) {
    const bytes = await store.read(name)
    if (bytes === undefined) throw new AskeeError('keys/backup-name', `there is no secret "${name}"`)
    secrets.push({ name, bytes })
  }
  const content = encode({ v: 1, secrets })
  try {
    return await lockWithPassphrase(content, passphrase, CONTEXT, random)
  } finally {
    content.fill(0)
    for (const { bytes } of secrets) bytes.fill(0)
  }
}

/**
 * Puts the secrets of a backup into a key store. One that is held already must be the same: a machine never changes its
 * identity without somebody destroying the one it has. Nothing is written when any of them differs.
 * @returns the names that were not held before
 * @throws AskeeError `keys/wrong-passphrase`, `keys/locked-file`, `keys/restore-conflict`
 */
export async function restoreKeys(
  store: KeyStore,
  backup: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<string[]> {
  const content = await unlockWithPassphrase(backup, passphrase, CONTEXT, random)
  const { secrets } = decode(content, contentSchema, MAX_SECRET_BYTES)
  const missing: typeof secrets = []
  for (const secret of secrets) {
    const held = await store.read(secret.name)
    if (held === undefined) missing.push(secret)
    else if (!bytesEqual(held, secret.bytes)) {
      throw new AskeeError(
        'keys/restore-conflict',
        `another "${secret.name}" is held here; nothing was restored. Restore into an empty place, or destroy that one first.`,
      )
    }
  }
  for (const { name, bytes } of missing) await store.replace(name, bytes)
  content.fill(0)
  return missing.map(({ name }) => name)
}
