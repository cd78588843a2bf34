import { argon2 } from 'node:crypto'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { AskeeError, decode, domainHash, encode, type Random } from '@askee/core'
import { z } from 'zod'
import { createFile, privateFolder, readIfThere, replaceFile } from '../files.ts'
import type { DeviceKey } from './device-key.ts'
import { DEVICE_KEY_BYTES, memoryCipher } from './memory-cipher.ts'
import { WRAPPING_OVERHEAD, wrappingDeviceKey } from './wrapping.ts'

const derive = promisify(argon2)

/** Cost of one guess. The least is what OWASP asks for argon2id, more than twice over; about 0.2 s on a laptop. */
const MEMORY_KIB = 64 * 1024
const PASSES = 3
const LANES = 1
/** A file with more than this is no file of ours: it would stop the start for minutes. */
const MAX_MEMORY_KIB = 1024 * 1024
const MAX_PASSES = 16
const SALT_BYTES = 16
const MAX_FILE_BYTES = 1024
const MAX_PASSPHRASE_BYTES = 1024
const CONTEXT = 'askee/passphrase-device-key/1'

const bodySchema = z.strictObject({
  v: z.literal(1),
  kdf: z.literal('argon2id'),
  memoryKib: z.number().int().min(MEMORY_KIB).max(MAX_MEMORY_KIB),
  passes: z.number().int().min(1).max(MAX_PASSES),
  lanes: z.number().int().min(1).max(8),
  salt: z.instanceof(Uint8Array).refine((salt) => salt.byteLength === SALT_BYTES),
  wrapped: z.instanceof(Uint8Array).refine((w) => w.byteLength === DEVICE_KEY_BYTES + WRAPPING_OVERHEAD),
})
/** The checksum tells a damaged file from a wrong passphrase: the person must know which. */
const fileSchema = z.strictObject({ body: z.instanceof(Uint8Array), checksum: z.string().length(64) })

type Body = z.output<typeof bodySchema>

export interface PassphraseInit {
  /** Where salt, parameters and the wrapped key stand; made at the first call. Mode 0600. */
  readonly path: string
  /** Asked once. At most 1 KiB in UTF-8; compared in Unicode form NFKC, so that every keyboard gives the same. */
  readonly passphrase: () => Promise<string>
  readonly random: Random
}

/**
 * A device key behind a passphrase: 32 random bytes, wrapped by argon2id (RFC 9106) of the passphrase, so that a new
 * passphrase needs no new wrapping of anything else.
 * @throws AskeeError `keys/wrong-passphrase`, `keys/device-key-file` when the file is damaged, `keys/passphrase-size`
 */
export async function openPassphraseDeviceKey(init: PassphraseInit): Promise<DeviceKey> {
  const { path, random } = init
  const phrase = normalized(await init.passphrase())
  let file = await readIfThere(path)
  if (file === undefined) {
    await privateFolder(dirname(path))
    file = await createFile(path, await lock(random.bytes(DEVICE_KEY_BYTES), phrase, random), random)
  }
  const key = await unlock(path, file, phrase, random)
  return wrappingDeviceKey('passphrase', memoryCipher(key), random)
}

/**
 * Takes another passphrase; what the key wrapped stays as it is. Copies of the old file still open with the old one.
 * @throws AskeeError as `openPassphraseDeviceKey`
 */
export async function changePassphrase(
  init: PassphraseInit & { readonly next: () => Promise<string> },
): Promise<void> {
  const file = await readIfThere(init.path)
  if (file === undefined) throw new AskeeError('keys/device-key-file', `${init.path}: there is no such file`)
  const key = await unlock(init.path, file, normalized(await init.passphrase()), init.random)
  try {
    await replaceFile(init.path, await lock(key, normalized(await init.next()), init.random), init.random)
  } finally {
    key.fill(0)
  }
}

function normalized(passphrase: string): Buffer {
  const bytes = Buffer.from(passphrase.normalize('NFKC'), 'utf8')
  if (bytes.byteLength >= 1 && bytes.byteLength <= MAX_PASSPHRASE_BYTES) return bytes
  throw new AskeeError(
    'keys/passphrase-size',
    `expected a passphrase of 1 to ${MAX_PASSPHRASE_BYTES} bytes, received ${bytes.byteLength}`,
  )
}

async function wrappingKey(
  phrase: Buffer,
  body: Pick<Body, 'memoryKib' | 'passes' | 'lanes'> & { readonly salt: Uint8Array },
  random: Random,
): Promise<DeviceKey> {
  const key = await derive('argon2id', {
    message: phrase,
    nonce: body.salt,
    parallelism: body.lanes,
    tagLength: DEVICE_KEY_BYTES,
    memory: body.memoryKib,
    passes: body.passes,
  })
  return wrappingDeviceKey('passphrase', memoryCipher(key), random)
}

async function lock(key: Uint8Array, phrase: Buffer, random: Random): Promise<Uint8Array> {
  const cost = { memoryKib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt: random.bytes(SALT_BYTES) }
  const wrapping = await wrappingKey(phrase, cost, random)
  const wrapped = await wrapping.wrap(key, CONTEXT)
  await wrapping.close()
  const body = encode({ v: 1, kdf: 'argon2id', ...cost, wrapped })
  return encode({ body, checksum: domainHash(CONTEXT, body) })
}

async function unlock(path: string, file: Uint8Array, phrase: Buffer, random: Random): Promise<Uint8Array> {
  const body = parseFile(path, file)
  const wrapping = await wrappingKey(phrase, body, random)
  try {
    return await wrapping.unwrap(body.wrapped, CONTEXT)
  } catch (cause) {
    throw new AskeeError('keys/wrong-passphrase', 'this is not the passphrase; try again', {}, { cause })
  } finally {
    await wrapping.close()
  }
}

function parseFile(path: string, file: Uint8Array): Body {
  try {
    const { body, checksum } = decode(file, fileSchema, MAX_FILE_BYTES)
    if (domainHash(CONTEXT, body) !== checksum) throw new RangeError('the checksum does not fit')
    return decode(body, bodySchema, MAX_FILE_BYTES)
  } catch (cause) {
    throw new AskeeError(
      'keys/device-key-file',
      `${path} is damaged. Restore it from a backup: without it nothing that it wrapped can be read.`,
      {},
      { cause },
    )
  }
}
