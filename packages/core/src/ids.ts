import { createHash } from 'node:crypto'
import { fromHex, toHex } from './bytes.ts'

declare const brand: unique symbol
/** A structural type made nominal, so that one kind of id cannot pass for another. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** libp2p peer id of an Ed25519 key in base58btc, e.g. `12D3KooW…`. */
export type NodeId = Brand<string, 'NodeId'>
/** SHA-256 in lower-case hexadecimal, 64 characters: the name of a block of bytes. */
export type Digest = Brand<string, 'Digest'>
/** Digest of a signed campaign manifest. */
export type CampaignId = Brand<string, 'CampaignId'>
/** `<campaign id>/<index of the input>`. */
export type TaskId = Brand<string, 'TaskId'>
/** One replica of one task given to one node; 128 random bits in hexadecimal. */
export type LeaseId = Brand<string, 'LeaseId'>
/** Unit of work done by instrumented WebAssembly; see docs/determinism.md. */
export type Fuel = Brand<bigint, 'Fuel'>
/** A span of time in milliseconds. */
export type Milliseconds = number
/** Milliseconds since 1970-01-01T00:00:00Z, by this machine's wall clock. */
export type Timestamp = number

/** SHA-256 of `bytes` as the name of a block. */
export function digestOf(bytes: Uint8Array): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest
}

/** The 32 bytes that a digest names. */
export function digestBytes(digest: Digest): Uint8Array {
  return fromHex(digest)
}

/** SHA-256 over a domain string, a zero byte, and the parts, each preceded by its length (u32, big endian). */
export function domainHash(domain: string, ...parts: readonly Uint8Array[]): Digest {
  const hash = createHash('sha256').update(domain).update(new Uint8Array(1))
  const length = new Uint8Array(4)
  const view = new DataView(length.buffer)
  for (const part of parts) {
    view.setUint32(0, part.byteLength)
    hash.update(length).update(part)
  }
  return toHex(hash.digest()) as Digest
}

/** Whether `text` is the text form of a digest. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}
