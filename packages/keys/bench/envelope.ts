import {
  createCipheriv,
  createDecipheriv,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  sign,
  verify,
} from 'node:crypto'
import { systemClock, systemRandom } from '@askee/core'
import { createIdentity, createOpener, createPeerKeys, createSealer, kidOf } from '../src/index.ts'
import { parseEnvelope } from '../src/sealing/envelope.ts'
import { sealingKeyPair } from '../src/sealing/suites.ts'

/** Messages for each second of processor time; medians of interleaved rounds. */
export interface EnvelopeFigures {
  readonly seal: number
  readonly open: number
  readonly sealDouble: number
  readonly openDouble: number
  /** The same primitives by hand, without a header, replay protection, or parsing. */
  readonly rawSeal: number
  readonly rawOpen: number
}

const BODY_BYTES = 1024
const ROUNDS = 5

/** @param messages in each round */
export async function measureEnvelopes(messages = 100): Promise<EnvelopeFigures> {
  const [alice, bob] = [createIdentity(systemRandom), createIdentity(systemRandom)]
  const keys = new Map<string, Awaited<ReturnType<typeof sealingKeyPair>>>()
  const recipients = new Map<string, { kid: string; publicKey: Uint8Array }>()
  for (const use of ['sealing', 'sealing-inner'] as const) {
    const key = await sealingKeyPair(use, systemRandom.bytes(32))
    const kid = kidOf(use, key.publicKey)
    keys.set(kid, key)
    recipients.set(use, { kid, publicKey: key.publicKey })
  }
  const sealer = createSealer({
    identity: alice,
    clock: systemClock,
    random: systemRandom,
    recipientKey: (_, use) => recipients.get(use) as { kid: string; publicKey: Uint8Array },
  })
  const opener = createOpener({
    self: bob.id,
    clock: systemClock,
    peerKeys: createPeerKeys(systemClock),
    keyRing: {
      keyPair: async (_, kid) => (keys.get(kid) as Awaited<ReturnType<typeof sealingKeyPair>>).pair,
    },
  })
  const message = { to: bob.id, conv: 'bench', typ: 'bench/1', body: systemRandom.bytes(BODY_BYTES) }
  const raw = rawParty(message.body)

  const taken: EnvelopeFigures[] = []
  // The first round warms up and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    const single: Uint8Array[] = []
    const double: Uint8Array[] = []
    const seal = await rate(messages, async () => void single.push(await sealer.seal(message)))
    const sealDouble = await rate(
      messages,
      async () => void double.push(await sealer.seal(message, 'double')),
    )
    const rawSealed: RawEnvelope[] = []
    const rawSeal = await rate(messages, () => void rawSealed.push(raw.seal()))
    const open = await rate(messages, async (i) => void (await opener.open(single[i] as Uint8Array)))
    const openDouble = await rate(messages, async (i) => void (await opener.open(double[i] as Uint8Array)))
    const rawOpen = await rate(messages, (i) => raw.open(rawSealed[i] as RawEnvelope))
    if (round > 0) taken.push({ seal, open, sealDouble, openDouble, rawSeal, rawOpen })
  }
  const median = (name: keyof EnvelopeFigures): number =>
    taken.map((one) => one[name]).sort((a, b) => a - b)[taken.length >> 1] as number
  return {
    seal: median('seal'),
    open: median('open'),
    sealDouble: median('sealDouble'),
    openDouble: median('openDouble'),
    rawSeal: median('rawSeal'),
    rawOpen: median('rawOpen'),
  }
}

async function rate(count: number, one: (index: number) => void | Promise<void>): Promise<number> {
  // Processor time of all threads, so that other programs on the machine do not count.
  const begun = process.cpuUsage()
  for (let i = 0; i < count; i++) await one(i)
  const { user, system } = process.cpuUsage(begun)
  return (count * 1_000_000) / (user + system)
}

interface RawEnvelope {
  readonly ephemeral: ReturnType<typeof generateKeyPairSync>['publicKey']
  readonly ct: Buffer
  readonly tag: Buffer
  readonly signature: Buffer
}

/** X25519, HKDF-SHA256, AES-256-GCM and Ed25519 with synchronous calls of node:crypto. */
function rawParty(body: Uint8Array): { seal(): RawEnvelope; open(one: RawEnvelope): void } {
  const recipient = generateKeyPairSync('x25519')
  const signer = generateKeyPairSync('ed25519')
  const keyAndNonce = (secret: Buffer): [Buffer, Buffer] => {
    const bytes = Buffer.from(hkdfSync('sha256', secret, '', 'raw', 44))
    return [bytes.subarray(0, 32), bytes.subarray(32)]
  }
  return {
    seal() {
      const { publicKey, privateKey } = generateKeyPairSync('x25519')
      const [key, nonce] = keyAndNonce(diffieHellman({ privateKey, publicKey: recipient.publicKey }))
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const ct = Buffer.concat([cipher.update(body), cipher.final()])
      return {
        ephemeral: publicKey,
        ct,
        tag: cipher.getAuthTag(),
        signature: sign(null, ct, signer.privateKey),
      }
    },
    open({ ephemeral, ct, tag, signature }) {
      if (!verify(null, ct, signer.publicKey, signature)) throw new Error('the signature does not hold')
      const secret = diffieHellman({ privateKey: recipient.privateKey, publicKey: ephemeral })
      const [key, nonce] = keyAndNonce(secret)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
      decipher.setAuthTag(tag)
      decipher.update(ct)
      decipher.final()
    },
  }
}

/** How many of 1,000 altered envelopes were taken: none may be. The control of the figures above. */
export async function forgeriesTaken(): Promise<number> {
  const [alice, bob] = [createIdentity(systemRandom), createIdentity(systemRandom)]
  const { pair, publicKey } = await sealingKeyPair('sealing', systemRandom.bytes(32))
  const key = { kid: kidOf('sealing', publicKey), publicKey }
  const sealer = createSealer({
    identity: alice,
    clock: systemClock,
    random: systemRandom,
    recipientKey: () => key,
  })
  const opener = createOpener({
    self: bob.id,
    clock: systemClock,
    peerKeys: createPeerKeys(systemClock),
    keyRing: { keyPair: async () => pair },
  })
  const bytes = await sealer.seal({ to: bob.id, conv: 'bench', typ: 'bench/1', body: new Uint8Array(64) })
  parseEnvelope(bytes)
  let taken = 0
  for (let i = 0; i < 1000; i++) {
    const altered = Uint8Array.from(bytes)
    const at = systemRandom.below(bytes.byteLength)
    altered[at] = (altered[at] as number) ^ (1 << systemRandom.below(8))
    await opener.open(altered).then(
      () => taken++,
      () => undefined,
    )
  }
  return taken
}
