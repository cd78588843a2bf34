import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, concat, type NodeId, type Random, utf8 } from '@askee/core'
import { combine, split } from 'shamir-secret-sharing'
import { createIdentity, type Identity, identityFromSeed } from '../identity.ts'
import { publicKeyFromNodeId } from '../node-id.ts'
import { fromBase32, toBase32 } from './base32.ts'

export type ShareErrorCode =
  | 'keys/share-count'
  | 'keys/share-damaged'
  | 'keys/shares-mixed'
  | 'keys/shares-too-few'
  | 'keys/shares-wrong'

const VERSION = 1
const SEED_BYTES = 32
/** Behind the seed inside the shared secret: combining wrong shares gives garbage, and no error (Shamir, 1979). */
const SECRET_CHECK_BYTES = 8
const SET_BYTES = 4
const TAG_BYTES = 8
/** Behind each share: finds what was mistyped before shares are combined. */
const SHARE_CHECK_BYTES = 4
/** Version, number, total, threshold. */
const HEAD_BYTES = 4
const DATA_BYTES = SEED_BYTES + SECRET_CHECK_BYTES + 1
const SHARE_BYTES = HEAD_BYTES + SET_BYTES + TAG_BYTES + DATA_BYTES + SHARE_CHECK_BYTES
const MAX_SHARES = 16

interface Share {
  readonly number: number
  readonly total: number
  readonly threshold: number
  /** Of the splitting: shares of two splittings of one root do not go together. */
  readonly set: Uint8Array
  /** Of the root's public key. */
  readonly tag: Uint8Array
  readonly data: Uint8Array
}

/** A root and what opens it again. */
export interface SplitRoot {
  readonly root: Identity
  /** One text for each keeper, some hundred characters that can be written on paper. */
  readonly shares: readonly string[]
}

function digest(label: string, ...parts: Uint8Array[]): Buffer {
  return createHash('sha256')
    .update(concat(utf8(`askee/owner-root/${label}/1\0`), ...parts))
    .digest()
}

function tagOf(root: NodeId): Uint8Array {
  return digest('tag', publicKeyFromNodeId(root)).subarray(0, TAG_BYTES)
}

/**
 * Makes an owner root and splits its seed (Shamir's secret sharing over GF(256)): any `threshold` of the shares give it
 * back, fewer tell nothing of it. The root itself is kept nowhere; use it now, and let it go.
 * @param init.total 2 to 16
 * @param init.threshold 2 to `total`
 * @throws AskeeError `keys/share-count`
 */
export async function createOwnerRoot(
  init: { readonly total: number; readonly threshold: number },
  random: Random,
): Promise<SplitRoot> {
  const { total, threshold } = init
  const areWhole = Number.isInteger(total) && Number.isInteger(threshold)
  if (!areWhole || threshold < 2 || threshold > total || total > MAX_SHARES) {
    throw new AskeeError(
      'keys/share-count',
      `expected 2 to ${MAX_SHARES} shares and a threshold from 2 to that, received ${threshold} of ${total}`,
    )
  }
  const root = createIdentity(random)
  const seed = root.exportSeed()
  const secret = concat(seed, digest('seed', seed).subarray(0, SECRET_CHECK_BYTES))
  const set = random.bytes(SET_BYTES)
  const tag = tagOf(root.id)
  const parts = await split(secret, total, threshold)
  seed.fill(0)
  secret.fill(0)
  const shares = parts.map((data, i) => shareText({ number: i + 1, total, threshold, set, tag, data }))
  return { root, shares }
}

function shareText({ number, total, threshold, set, tag, data }: Share): string {
  const body = concat(Uint8Array.of(VERSION, number, total, threshold), set, tag, data)
  return toBase32(concat(body, digest('share', body).subarray(0, SHARE_CHECK_BYTES)))
}

function parseShare(text: string, position: number): Share {
  const bytes = text.length <= 4 * SHARE_BYTES ? fromBase32(text) : undefined
  const body = bytes?.subarray(0, SHARE_BYTES - SHARE_CHECK_BYTES) ?? new Uint8Array(0)
  const isWhole =
    bytes?.byteLength === SHARE_BYTES &&
    body[0] === VERSION &&
    bytesEqual(bytes.subarray(body.byteLength), digest('share', body).subarray(0, SHARE_CHECK_BYTES))
  if (!isWhole) {
    throw new AskeeError(
      'keys/share-damaged',
      `the share given as number ${position} is mistyped, cut off or damaged: look at it again, or use another one`,
      { position },
    )
  }
  const [, number = 0, total = 0, threshold = 0] = body
  const dataAt = HEAD_BYTES + SET_BYTES + TAG_BYTES
  return {
    number,
    total,
    threshold,
    set: body.subarray(HEAD_BYTES, HEAD_BYTES + SET_BYTES),
    tag: body.subarray(HEAD_BYTES + SET_BYTES, dataAt),
    data: body.subarray(dataAt),
  }
}

/** A root, and which of the shares that were given are not of it. */
export interface CombinedRoot {
  readonly root: Identity
  /** Their places among those given, from 1: made up, for a mistyped one is found before. */
  readonly wrong: readonly number[]
}

/**
 * The root again. The same share twice counts once. Where there are more than are needed, some may be made up: every choice
 * of as many as are needed is tried (3 of 5 shares: 10; at most 12,870), and the wrong ones are named.
 * @param texts of shares, upper or lower case, with or without hyphens
 * @throws AskeeError `keys/share-damaged` naming which, `keys/shares-mixed` when they are of different roots or splittings,
 * `keys/shares-too-few`, `keys/shares-wrong` when no choice of them gives the root
 */
export async function combineOwnerRoot(texts: readonly string[]): Promise<CombinedRoot> {
  const shares = texts.map((text, i) => parseShare(text, i + 1))
  const [first] = shares
  if (first === undefined) throw tooFew(0, undefined)
  const odd = shares.findIndex(
    ({ set, tag, threshold }) =>
      !bytesEqual(set, first.set) || !bytesEqual(tag, first.tag) || threshold !== first.threshold,
  )
  if (odd >= 0) throw mixed(odd + 1, bytesEqual((shares[odd] as Share).tag, first.tag))
  const numbers = new Set(shares.map(({ number }) => number))
  if (numbers.size < first.threshold) throw tooFew(numbers.size, first)
  const distinct = shares.filter((share, i) => shares.findIndex((one) => isSame(one, share)) === i)
  for (const chosen of choices(distinct, first.threshold)) {
    const root = await rootOf(chosen)
    if (root !== undefined) return { root, wrong: await wrongOf(shares, chosen) }
  }
  const spare = distinct.length - first.threshold
  const why = spare === 0 ? 'one of them was made up' : `more than ${spare} of them were made up`
  throw new AskeeError(
    'keys/shares-wrong',
    `no ${first.threshold} of these shares give the root: ${why}. Give one more with them, and the wrong one is named.`,
  )
}

function isSame(a: Share, b: Share): boolean {
  return a.number === b.number && bytesEqual(a.data, b.data)
}

/** Every choice of `size` shares with different numbers. */
function* choices(shares: readonly Share[], size: number): Generator<readonly Share[]> {
  if (size === 0) {
    yield []
    return
  }
  for (let at = 0; at + size <= shares.length; at += 1) {
    const one = shares[at] as Share
    const others = shares.slice(at + 1).filter(({ number }) => number !== one.number)
    for (const rest of choices(others, size - 1)) yield [one, ...rest]
  }
}

/** Tries each of the others in the place of one that is right. */
async function wrongOf(shares: readonly Share[], right: readonly Share[]): Promise<number[]> {
  const wrong: number[] = []
  for (const [i, share] of shares.entries()) {
    if (right.some((one) => isSame(one, share))) continue
    const others = right.filter(({ number }) => number !== share.number).slice(0, right.length - 1)
    if ((await rootOf([...others, share])) === undefined) wrong.push(i + 1)
  }
  return wrong
}

async function rootOf(shares: readonly Share[]): Promise<Identity | undefined> {
  const secret = await combine(shares.map(({ data }) => Uint8Array.from(data))).catch(() => new Uint8Array(0))
  const seed = secret.subarray(0, SEED_BYTES)
  const isRight =
    secret.byteLength === SEED_BYTES + SECRET_CHECK_BYTES &&
    bytesEqual(secret.subarray(SEED_BYTES), digest('seed', seed).subarray(0, SECRET_CHECK_BYTES))
  const root = isRight ? identityFromSeed(seed) : undefined
  secret.fill(0)
  return root !== undefined && bytesEqual(tagOf(root.id), (shares[0] as Share).tag) ? root : undefined
}

function mixed(position: number, sameRoot: boolean): AskeeError {
  const why = sameRoot ? 'another splitting of the same root' : 'another root'
  return new AskeeError(
    'keys/shares-mixed',
    `the share given as number ${position} is of ${why} than the first; they do not go together`,
    { position },
  )
}

function tooFew(held: number, share: Share | undefined): AskeeError {
  const need = share === undefined ? 'some' : `${share.threshold} of ${share.total}`
  return new AskeeError('keys/shares-too-few', `${need} different shares are needed, received ${held}`)
}
