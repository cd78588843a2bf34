import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { AskeeError, decode, domainHash, encode, type Random } from '@askee/core'
import { z } from 'zod'
import { type DeviceKey, MAX_SECRET_BYTES } from './device-key.ts'
import { DEVICE_KEY_BYTES, memoryCipher } from './memory-cipher.ts'
import { WRAPPING_OVERHEAD, wrappingDeviceKey } from './wrapping.ts'

const derive = promisify(argon2)

/** Cost of one guess. The least is what OWASP asks for argon2id, more than twice over; about 0.2 s of one core. */
const MEMORY_KIB = 64 * 1024
const PASSES = 3
const LANES = 1
/** A file with more than this is no file of ours: it would stop the start for minutes. */
const MAX_MEMORY_KIB = 1024 * 1024
const MAX_PASSES = 16
const SALT_BYTES = 16
const MAX_PASSPHRASE_BYTES = 1024
const MAX_WRAPPED_BYTES = MAX_SECRET_BYTES + WRAPPING_OVERHEAD
const MAX_FILE_BYTES = MAX_WRAPPED_BYTES + 1024

const bodySchema = z.strictObject({
  v: z.literal(1),
  kdf: z.literal('argon2id'),
  memoryKib: z.number().int().min(MEMORY_KIB).max(MAX_MEMORY_KIB),
  passes: z.number().int().min(1).max(MAX_PASSES),
  lanes: z.number().int().min(1).max(8),
  salt: z.instanceof(Uint8Array).refine((salt) => salt.byteLength === SALT_BYTES),
  wrapped: z.instanceof(Uint8Array).refine((wrapped) => wrapped.byteLength <= MAX_WRAPPED_BYTES),
})
/** The checksum tells a damaged file from a wrong passphrase: the person must know which. */
const fileSchema = z.strictObject({ body: z.instanceof(Uint8Array), checksum: z.string().length(64) })

type Cost = Pick<z.output<typeof bodySchema>, 'memoryKib' | 'passes' | 'lanes'>

/** A passphrase in the one form that every keyboard gives (NFKC), as bytes. */
function normalized(passphrase: string): Buffer {
  const bytes = Buffer.from(passphrase.normalize('NFKC'), 'utf8')
  if (bytes.byteLength >= 1 && bytes.byteLength <= MAX_PASSPHRASE_BYTES) return bytes
  throw new AskeeError(
    'keys/passphrase-size',
    `expected a passphrase of 1 to ${MAX_PASSPHRASE_BYTES} bytes, received ${bytes.byteLength}`,
  )
}

async function wrappingKey(
  passphrase: string,
  salt: Uint8Array,
  cost: Cost,
  random: Random,
): Promise<DeviceKey> {
  const key = await derive('argon2id', {
    message: normalized(passphrase),
    nonce: salt,
    parallelism: cost.lanes,
    tagLength: DEVICE_KEY_BYTES,
    memory: cost.memoryKib,
    passes: cost.passes,
  })
  return wrappingDeviceKey('passphrase', memoryCipher(key), random)
}

/**
 * A file that only the passphrase opens: `secret` (1 byte to 64 KiB) wrapped by argon2id (RFC 9106) of it; salt and
 * parameters stand beside.
 * @param context what the file is, e.g. `askee/key-backup/1`
 * @throws AskeeError `keys/passphrase-size`, `keys/secret-size`
 */
export async function lockWithPassphrase(
  secret: Uint8Array,
  passphrase: string,
  context: string,
  random: Random,
): Promise<Uint8Array> {
  const cost = { memoryKib: MEMORY_KIB, passes: PASSES, lanes: LANES }
  const salt = random.bytes(SALT_BYTES)
  const wrapping = await wrappingKey(passphrase, salt, cost, random)
  try {
    const wrapped = await wrapping.wrap(secret, context)
    const body = encode({ v: 1, kdf: 'argon2id', ...cost, salt, wrapped })
    return encode({ body, checksum: domainHash(context, body) })
  } finally {
    await wrapping.close()
  }
}

/**
 * What `lockWithPassphrase` locked.
 * @throws AskeeError `keys/wrong-passphrase`, `keys/passphrase-size`, `keys/locked-file` when the file is damaged
 */
export async function unlockWithPassphrase(
  file: Uint8Array,
  passphrase: string,
  context: string,
  random: Random,
): Promise<Uint8Array> {
  const body = parseFile(file, context)
  const wrapping = await wrappingKey(passphrase, body.salt, body, random)
  try {
    return await wrapping.unwrap(body.wrapped, context)
  } catch (cause) {
    throw new AskeeError('keys/wrong-passphrase', 'this is not the passphrase; try again', {}, { cause })
  } finally {
    await wrapping.close()
  }
}

function parseFile(file: Uint8Array, context: string): z.output<typeof bodySchema> {
  try {
    const { body, checksum } = decode(file, fileSchema, MAX_FILE_BYTES)
    if (domainHash(context, body) !== checksum) throw new RangeError('the checksum does not fit')
    return decode(body, bodySchema, MAX_FILE_BYTES)
  } catch (cause) {
    throw new AskeeError('keys/locked-file', 'the file is damaged, or of another kind', {}, { cause })
  }
}
