import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, concat, type NodeId, type Timestamp, utf8 } from '@askee/core'
import { publicKeyFromNodeId, verifySignature } from '@askee/keys'
import type { Hash } from './merkle.ts'

/** Largest checkpoint with all its signatures. */
export const MAX_NOTE_CHARACTERS = 16_384
/** Largest number of signature lines; more are refused, not looked at. */
const MAX_SIGNATURES = 64
const MAX_EXTENSIONS = 32
const SIGNATURE_BYTES = 64
const KEY_HASH_BYTES = 4

/** Kinds of signature in a note (C2SP signed-note): plain Ed25519, and cosignature/v1 with its time. */
const ED25519 = 1
const COSIGNATURE_V1 = 4

/** What signs: a node's identity. */
export interface NoteSigner {
  readonly id: NodeId
  sign(message: Uint8Array): Uint8Array
}

/** The state of a log at one time (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Whose log: the node's id. */
  readonly origin: NodeId
  /**
   * Which of the node's logs, as its beginning names it (`own/beginning.ts`): a log that starts anew is another one, and says so. Empty
   * in checkpoints of before logs had names.
   */
  readonly log: string
  readonly size: number
  readonly root: Hash
  /** More that is signed along, one line each; the database's fingerprint, for instance. */
  readonly extensions: readonly string[]
}

export interface Cosignature {
  readonly witness: NodeId
  /** When the witness saw it (ms since 1970, whole seconds). */
  readonly at: Timestamp
}

/** A checkpoint as it was received. */
export interface SignedCheckpoint extends Checkpoint {
  /** The signed text. */
  readonly text: string
  /** Text and signature lines. */
  readonly note: string
  readonly cosignatures: readonly Cosignature[]
}

const ORIGIN_PREFIX = 'askee/audit/'
/** 16 random bytes, hexadecimal. */
export const LOG_NAME = /^[0-9a-f]{32}$/

/**
 * The checkpoint as a signed note.
 * @throws AskeeError `audit/checkpoint` when an extension is not one line of text
 */
export function signCheckpoint(
  signer: NoteSigner,
  state: Omit<Checkpoint, 'origin' | 'log'> & Partial<Pick<Checkpoint, 'log'>>,
): string {
  const { log = '' } = state
  for (const line of state.extensions) {
    if (!/^[\x20-\x7e]{1,500}$/.test(line) || line.startsWith(' '))
      throw malformed('an extension of one line')
  }
  if (state.extensions.length > MAX_EXTENSIONS) throw malformed(`at most ${MAX_EXTENSIONS} extensions`)
  if (log !== '' && !LOG_NAME.test(log)) throw malformed('a log named by 32 hexadecimal digits')
  const origin = ORIGIN_PREFIX + signer.id + (log === '' ? '' : `/${log}`)
  const lines = [origin, state.size, base64(state.root), ...state.extensions]
  const text = lines.map((line) => `${line}\n`).join('')
  return `${text}\n${signatureLine(origin, signer.id, ED25519, signer.sign(utf8(text)))}`
}

/** The line with which a witness says that it saw this text and nothing that contradicts it, up to `now`. */
export function cosign(witness: NoteSigner, text: string, now: Timestamp): string {
  const seconds = Math.floor(now / 1000)
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds))
  const signature = witness.sign(utf8(`cosignature/v1\ntime ${seconds}\n${text}`))
  return signatureLine(ORIGIN_PREFIX + witness.id, witness.id, COSIGNATURE_V1, concat(time, signature))
}

/**
 * Parses a note and checks the log's own signature and every cosignature; lines of unknown names or kinds are passed over, as
 * the format demands.
 * @throws AskeeError `audit/checkpoint`, `audit/signature`
 */
export function openCheckpoint(note: string): SignedCheckpoint {
  if (note.length > MAX_NOTE_CHARACTERS) throw malformed(`at most ${MAX_NOTE_CHARACTERS} characters`)
  const end = note.indexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) throw malformed('a text, an empty line and signatures')
  const text = note.slice(0, end + 1)
  const [origin = '', size = '', root = '', ...extensions] = text.slice(0, -1).split('\n')
  const hash = new Uint8Array(Buffer.from(root, 'base64'))
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) throw malformed('a size')
  if (hash.byteLength !== 32 || base64(hash) !== root) throw malformed('a root of 32 bytes')
  if (extensions.length > MAX_EXTENSIONS || extensions.includes('')) throw malformed('extensions')
  const [, owner = '', log = ''] = /^([^/]*\/[^/]*\/[^/]*)(?:\/([0-9a-f]{32}))?$/.exec(origin) ?? []
  const node = nodeOf(owner)
  if (node === undefined) throw malformed(`an origin ${ORIGIN_PREFIX}<node id>/<log>`)
  const lines = note.slice(end + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) throw malformed(`at most ${MAX_SIGNATURES} signatures`)
  const signatures = lines.map(parseSignature)
  if (!signatures.some((line) => line.name === origin && verifies(line, node, ED25519, text))) {
    throw new AskeeError('audit/signature', `${node} did not sign this checkpoint of its log`, {
      origin: node,
    })
  }
  return {
    origin: node,
    log,
    size: Number(size),
    root: hash,
    extensions,
    text,
    note,
    // A log's owner is no witness of it.
    cosignatures: signatures
      .flatMap((line) => cosignatureOf(line, text))
      .filter(({ witness }) => witness !== node),
  }
}

interface SignatureLine {
  readonly name: string
  readonly keyHash: Uint8Array
  readonly body: Uint8Array
}

function cosignatureOf(line: SignatureLine, text: string): Cosignature[] {
  const witness = nodeOf(line.name)
  if (witness === undefined || !verifies(line, witness, COSIGNATURE_V1, text)) return []
  return [
    { witness, at: Number(new DataView(line.body.buffer, line.body.byteOffset).getBigUint64(0)) * 1000 },
  ]
}

function verifies(line: SignatureLine, node: NodeId, kind: number, text: string): boolean {
  const key = publicKeyFromNodeId(node)
  if (!bytesEqual(line.keyHash, keyHash(line.name, kind, key))) return false
  if (kind === ED25519) {
    return line.body.byteLength === SIGNATURE_BYTES && verifySignature(key, utf8(text), line.body)
  }
  if (line.body.byteLength !== 8 + SIGNATURE_BYTES) return false
  const seconds = new DataView(line.body.buffer, line.body.byteOffset).getBigUint64(0)
  const message = utf8(`cosignature/v1\ntime ${seconds}\n${text}`)
  return verifySignature(key, message, line.body.subarray(8))
}

function signatureLine(name: string, node: NodeId, kind: number, body: Uint8Array): string {
  const bytes = concat(keyHash(name, kind, publicKeyFromNodeId(node)), body)
  return `\u2014 ${name} ${base64(bytes)}\n`
}

function parseSignature(line: string): SignatureLine {
  const [, name = '', encoded = ''] = /^\u2014 ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? []
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64'))
  if (bytes.byteLength <= KEY_HASH_BYTES || base64(bytes) !== encoded) throw malformed('signature lines')
  return { name, keyHash: bytes.slice(0, KEY_HASH_BYTES), body: bytes.slice(KEY_HASH_BYTES) }
}

/** Names a key in a note: the first bytes of a hash over name, kind and key. */
function keyHash(name: string, kind: number, publicKey: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(`${name}\n`).update(Uint8Array.of(kind)).update(publicKey).digest()
  return new Uint8Array(hash.subarray(0, KEY_HASH_BYTES))
}

function nodeOf(origin: string): NodeId | undefined {
  const id = origin.slice(ORIGIN_PREFIX.length)
  try {
    if (!origin.startsWith(ORIGIN_PREFIX)) return undefined
    publicKeyFromNodeId(id)
    return id as NodeId
  } catch {
    return undefined
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function malformed(expected: string): AskeeError {
  return new AskeeError('audit/checkpoint', `not a checkpoint: expected ${expected}`)
}
