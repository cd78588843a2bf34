import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AskeeError, decode, encode, errorText, type Timestamp, toHex } from '@askee/core'
import type { KeyStore } from '@askee/keys'
import {
  type AuthorityState,
  type Certificate,
  fromPem,
  listToPem,
  type RevocationList,
  readRevocationList,
} from '@askee/keys/authority'
import { writeDurably } from '@askee/store'
import { z } from 'zod'
import { type AuthorityName, listPath } from './authority-files.ts'

const MAX_STATE_BYTES = 65_536

const stateSchema = z.discriminatedUnion('v', [
  // Of an earlier version: it held what is revoked, and outgrew a secret of the key store with some 860.
  z.strictObject({
    v: z.literal(1),
    listNumber: z.int().min(0),
    revoked: z.array(
      z.strictObject({
        serial: z.string().max(40),
        at: z.int(),
        reason: z.enum(['compromised', 'superseded', 'ended', 'withdrawn']),
      }),
    ),
  }),
  // The published list says what is revoked; this says which list that is.
  z.strictObject({ v: z.literal(2), listNumber: z.int().min(0), digest: z.string().length(64) }),
])
type KeptState = z.output<typeof stateSchema>

export interface ListPlace {
  readonly directory: string
  readonly which: AuthorityName
  readonly store: KeyStore
  /** That signs the list. */
  readonly issuer: Certificate
}

function stateName(which: AuthorityName): string {
  return `authority-${which}-state`
}

function digestOf(list: Uint8Array): string {
  return toHex(createHash('sha256').update(list).digest())
}

async function keptState({ store, which }: ListPlace): Promise<KeptState | undefined> {
  const kept = await store.read(stateName(which))
  return kept === undefined ? undefined : decode(kept, stateSchema, MAX_STATE_BYTES)
}

/** The list that stands in the folder, or why none does. */
async function published(
  place: Pick<ListPlace, 'directory' | 'which' | 'issuer'>,
): Promise<(RevocationList & { readonly digest: string }) | { readonly why: string }> {
  const path = listPath(place.directory, place.which)
  try {
    const bytes = fromPem(await readFile(path, 'latin1'), 'X509 CRL')
    return { ...(await readRevocationList(bytes, place.issuer)), digest: digestOf(bytes) }
  } catch (error) {
    return { why: errorText(error) }
  }
}

/**
 * Until when the list in the folder is good; 0 when there is none of this authority, or one that is not good yet: made when the
 * clock was ahead.
 */
export async function publishedUntil(
  place: Pick<ListPlace, 'directory' | 'which' | 'issuer'>,
  now: Timestamp,
): Promise<Timestamp> {
  const list = await published(place)
  return 'why' in list || list.from > now ? 0 : list.until
}

/** Serial numbers on the list in the folder; none when there is no list of this authority. */
export async function publishedRevoked(
  place: Pick<ListPlace, 'directory' | 'which' | 'issuer'>,
): Promise<ReadonlySet<string>> {
  const list = await published(place)
  return new Set('why' in list ? [] : list.revoked.map(({ serial }) => serial))
}

/**
 * What the authority goes on from: the list that it published last. One that is newer than the state was published just
 * before a crash, or the state is an old copy: its signature says that it is this authority's, and nothing is forgotten.
 * @throws AskeeError `agent/authority-state-missing`, `agent/authority-list-older`
 */
export async function lastPublished(place: ListPlace): Promise<AuthorityState> {
  const state = await keptState(place)
  if (state === undefined) throw stateMissing(place)
  return goOnFrom(place, state)
}

/**
 * Goes on from the list in the folder although the state is gone. The next number is above any that others can have seen.
 * @param loss `accept`: also from a list that is older than the state knows, or none; what was revoked since counts again
 * @throws AskeeError `agent/authority-list-older`
 */
export async function recoverFrom(
  place: ListPlace,
  now: Timestamp,
  loss: 'refuse' | 'accept',
): Promise<AuthorityState> {
  const state = await keptState(place)
  const list = await published(place)
  if (loss === 'refuse' && 'why' in list) throw listOlder(place, list.why)
  const known =
    state !== undefined && loss === 'refuse'
      ? await goOnFrom(place, state)
      : { listNumber: state?.listNumber ?? 0, revoked: 'why' in list ? [] : list.revoked }
  const number = 'why' in list ? 0 : list.number
  return { ...known, listNumber: Math.max(known.listNumber, number, freshNumber(now)) }
}

/**
 * What an authority starts from whose keys were there before it: whatever is known of their lists. From nothing only where
 * nothing is, as after an init that was broken off early.
 * @throws AskeeError `agent/authority-list-older`
 */
export async function takeOver(place: ListPlace, now: Timestamp): Promise<AuthorityState> {
  const isKnown = (await keptState(place)) !== undefined || existsSync(listPath(place.directory, place.which))
  return isKnown ? recoverFrom(place, now, 'refuse') : { listNumber: freshNumber(now), revoked: [] }
}

/** Above any number of a list that was made earlier: fewer than one a second are. */
function freshNumber(now: Timestamp): number {
  return Math.floor(now / 1000)
}

async function goOnFrom(place: ListPlace, state: KeptState): Promise<AuthorityState> {
  const list = await published(place)
  if (state.v === 1) {
    // It says all by itself; the list may say more, where it is an old copy.
    const listed = 'why' in list ? [] : list.revoked
    const more = listed.filter(({ serial }) => state.revoked.every((one) => one.serial !== serial))
    const number = 'why' in list ? 0 : list.number
    return { listNumber: Math.max(state.listNumber, number), revoked: [...state.revoked, ...more] }
  }
  if ('why' in list) throw listOlder(place, list.why)
  const { number, digest, revoked } = list
  const { listNumber } = state
  if (number < listNumber || (number === listNumber && digest !== state.digest)) {
    throw listOlder(place, `expected list ${listNumber} as it was published, received list ${number}`)
  }
  return { listNumber: number, revoked }
}

/** Publishes a list. It stands before the state does: after a crash in between, the list itself is gone on from. */
export async function publishList(place: ListPlace, state: AuthorityState, list: Uint8Array): Promise<void> {
  const { directory, which, store } = place
  writeDurably(listPath(directory, which), Buffer.from(listToPem(list)))
  await store.replace(
    stateName(which),
    encode({ v: 2, listNumber: state.listNumber, digest: digestOf(list) }),
  )
}

function stateMissing({ directory, which }: ListPlace): AskeeError {
  return new AskeeError(
    'agent/authority-state-missing',
    `the keys of ${directory} do not say which list of its ${which} was published last, and an old one would make revoked certificates valid again. Put the newest lists that were published into ${directory}, and go on from them: askee authority recover ${directory}`,
    { directory, which },
  )
}

function listOlder({ directory, which }: ListPlace, why: string): AskeeError {
  return new AskeeError(
    'agent/authority-list-older',
    `${listPath(directory, which)} is not the list that was published last (${why}), and going on from it would make revoked certificates valid again. Put the newest one back. Where none is left: askee authority recover ${directory} --accept-loss`,
    { directory, which },
  )
}
