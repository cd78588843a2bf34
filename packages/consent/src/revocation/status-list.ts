import { deflateSync, inflateSync } from 'node:zlib'
import { type AskeeError, type Milliseconds, parse, type Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import { z } from 'zod'
import { refuse } from '../errors.ts'
import { nodeIdSchema, secondsSchema } from '../terms.ts'
import { openJws, signJws } from '../token/jws.ts'

/** Token Status List (IETF draft-ietf-oauth-status-list): one JWT that says of many tokens whether they are good. */

/** Clocks differ by so much; as tokens allow. */
const MAX_AHEAD_MS = 5 * 60_000
const LIST_TYPE = 'statuslist+jwt'
/** Fits into one record of the mesh. 4,096 entries of which 1,000 are revoked take about 1 KiB. */
export const MAX_LIST_BYTES = 6144
/** Largest inflated list: 4 million entries of two bits. More is a bomb, not a list. */
const MAX_INFLATED_BYTES = 1024 * 1024
/** Valid, invalid and suspended need two bits. */
const BITS = 2

export type TokenStatus = 'valid' | 'invalid' | 'suspended' | 'unknown'
const STATUSES: readonly TokenStatus[] = ['valid', 'invalid', 'suspended']

export interface StatusList {
  readonly uri: string
  readonly issuedAt: Timestamp
  readonly expires: Timestamp
  /** @throws AskeeError `consent/malformed` beyond the end of the list */
  at(index: number): TokenStatus
}

const payloadSchema = z.strictObject({
  iss: nodeIdSchema,
  sub: z.string().min(1).max(128),
  iat: secondsSchema,
  exp: secondsSchema,
  ttl: z.number().int().positive(),
  status_list: z.strictObject({
    bits: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]),
    lst: z
      .string()
      .max(MAX_LIST_BYTES)
      .regex(/^[A-Za-z0-9_-]+$/),
  }),
})

/** Signs the list of `issuer` at `uri`. Entries that are not named are valid. */
export function signStatusList(
  issuer: Identity,
  list: {
    uri: string
    now: Timestamp
    lifetime: Milliseconds
    entries: number
    statuses: ReadonlyMap<number, 'invalid' | 'suspended'>
  },
): string {
  const bytes = new Uint8Array(Math.ceil((list.entries * BITS) / 8))
  for (const [index, status] of list.statuses) {
    const at = Math.floor((index * BITS) / 8)
    bytes[at] = (bytes[at] ?? 0) | (STATUSES.indexOf(status) << ((index * BITS) % 8))
  }
  const payload = {
    iss: issuer.id,
    sub: list.uri,
    iat: Math.floor(list.now / 1000),
    exp: Math.ceil((list.now + list.lifetime) / 1000),
    ttl: Math.max(1, Math.floor(list.lifetime / 2000)),
    status_list: { bits: BITS, lst: deflateSync(bytes, { level: 9 }).toString('base64url') },
  }
  return signJws(issuer, LIST_TYPE, payload)
}

/**
 * A list whose signature is its issuer's.
 * @throws AskeeError with a ConsentErrorCode; `consent/expired` when it is over
 */
export function verifyStatusList(
  text: string,
  expected: { readonly uri: string; readonly issuer: string },
  now: Timestamp,
): StatusList {
  const opened = openJws(text, LIST_TYPE, MAX_LIST_BYTES)
  let payload: z.output<typeof payloadSchema>
  try {
    payload = parse(opened.payload, payloadSchema)
  } catch (cause) {
    throw refuse('consent/malformed', `not a status list: ${(cause as AskeeError).message}`, {}, cause)
  }
  opened.verify()
  if (payload.iss !== expected.issuer) {
    throw refuse('consent/issuer', `expected a list of ${expected.issuer}, received one of ${payload.iss}`)
  }
  if (payload.sub !== expected.uri) {
    throw refuse('consent/subject', `expected the list ${expected.uri}, received ${payload.sub}`)
  }
  if (payload.iat * 1000 > now + MAX_AHEAD_MS) {
    // Taken for the newest it would stand above every later one until its time has come.
    throw refuse('consent/not-yet-valid', 'the status list is of the future: a clock is wrong')
  }
  if (now >= payload.exp * 1000) throw refuse('consent/expired', 'the status list is over')
  const { bits, lst } = payload.status_list
  const bytes = inflated(lst)
  return {
    uri: payload.sub,
    issuedAt: payload.iat * 1000,
    expires: payload.exp * 1000,
    at(index) {
      const byte = bytes[Math.floor((index * bits) / 8)]
      if (!Number.isSafeInteger(index) || index < 0 || byte === undefined) {
        throw refuse('consent/malformed', `the status list has no entry ${index}`)
      }
      return STATUSES[(byte >> ((index * bits) % 8)) & (2 ** bits - 1)] ?? 'unknown'
    },
  }
}

function inflated(lst: string): Uint8Array {
  try {
    return inflateSync(Buffer.from(lst, 'base64url'), { maxOutputLength: MAX_INFLATED_BYTES })
  } catch (cause) {
    throw refuse('consent/malformed', 'the status list does not inflate within its limit', {}, cause)
  }
}
