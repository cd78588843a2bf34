/**
 * A token verified as by whoever is shown one (signature, form, parties, time, revocations heard of) beside the bare Ed25519
 * verification of the same bytes by node:crypto, processor time of the same run. Control: a token twice attenuated,
 * which has three signatures. `node packages/consent/bench/tokens.ts`.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { systemClock, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import {
  attenuateConsent,
  CONSENT_MIGRATIONS,
  createRevocationBook,
  createTokenVerifier,
  grantConsent,
} from '../src/index.ts'

/** Tokens for each second of processor time; medians of interleaved rounds. */
export interface TokenFigures {
  readonly token: number
  readonly attenuated: number
  /** The signature alone. */
  readonly raw: number
}

const ROUNDS = 5
const ATTENUATIONS = 2
/** SubjectPublicKeyInfo of Ed25519 (RFC 8410) up to the key's 32 bytes. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const STATUS = { list: 'askee://bench', index: 1 }

/** @param tokens in each round */
export async function measureTokens(tokens = 500): Promise<TokenFigures> {
  const [volunteer, node, requester] = [0, 1, 2].map(() => createIdentity(systemRandom)) as [
    ReturnType<typeof createIdentity>,
    ReturnType<typeof createIdentity>,
    ReturnType<typeof createIdentity>,
  ]
  const now = systemClock.now()
  const { token } = grantConsent(volunteer, {
    id: id(0),
    now,
    subject: node.id,
    audience: requester.id,
    terms: {
      permissions: {
        resources: { cpuPercentMax: 50, ramMbMax: 64, storageGbMax: 1, bandwidthMbpsMax: 10 },
        tasks: { kinds: ['scientific-compute', 'data-processing'], minReputation: 0, maxDurationHours: 1 },
        monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
      },
      purposes: ['counting primes'],
      data: ['task', 'machine'],
      lifetime: 3_600_000,
      maxRenewals: 3,
    },
    textDigest: 'ab'.repeat(32),
    manifest: 'cd'.repeat(32),
    epoch: 0,
    status: STATUS,
  })
  let attenuated = token
  for (let i = 1; i <= ATTENUATIONS; i++) {
    attenuated = attenuateConsent(node, attenuated, { id: id(i), now, choices: {}, status: STATUS }).token
  }
  const database = openDatabase(':memory:', CONSENT_MIGRATIONS)
  const revocations = createRevocationBook({ database, clock: systemClock })
  const verifyToken = createTokenVerifier({ clock: systemClock, revocations })
  const expected = { subject: node.id, audience: requester.id }
  const rawOnce = bareVerification(token, volunteer.publicKey)

  const taken: TokenFigures[] = []
  // The first round warms up and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    const figures = {
      token: await rate(tokens, async () => void (await verifyToken(token, expected))),
      attenuated: await rate(tokens, async () => void (await verifyToken(attenuated, expected))),
      raw: await rate(tokens, rawOnce),
    }
    if (round > 0) taken.push(figures)
  }
  database.close()
  const median = (name: keyof TokenFigures): number =>
    taken.map((one) => one[name]).sort((a, b) => a - b)[taken.length >> 1] as number
  return { token: median('token'), attenuated: median('attenuated'), raw: median('raw') }
}

function id(number: number): string {
  return number.toString(16).padStart(32, '0')
}

/** Verifies a compact JWS's signature, and nothing of what it says. */
function bareVerification(token: string, publicKey: Uint8Array): () => void {
  const [header, payload, signature = ''] = token.split('.')
  const signed = Buffer.from(`${header}.${payload}`)
  const bytes = Buffer.from(signature, 'base64url')
  const key: KeyObject = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, publicKey]),
    format: 'der',
    type: 'spki',
  })
  return () => {
    if (!verify(null, signed, key, bytes)) throw new Error('the signature does not hold')
  }
}

async function rate(count: number, one: () => void | Promise<void>): Promise<number> {
  // Processor time of all threads, so that other programs on the machine do not count.
  const begun = process.cpuUsage()
  for (let i = 0; i < count; i++) await one()
  const { user, system } = process.cpuUsage(begun)
  return (count * 1_000_000) / (user + system)
}

if (import.meta.main) {
  for (const [what, value] of Object.entries(await measureTokens())) {
    process.stdout.write(
      `${what.padEnd(12)} ${value.toFixed(0).padStart(8)} verified a second of processor time\n`,
    )
  }
}
