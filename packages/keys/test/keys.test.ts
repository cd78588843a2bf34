import { encode, errorCode, fromHex, toHex, utf8 } from '@askee/core'
import { seededRandom } from '@askee/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  createIdentity,
  identityFromSeed,
  nodeIdFromPublicKey,
  publicKeyFromNodeId,
  signDocument,
  verifyDocument,
  verifySignature,
} from '../src/index.ts'

const schema = z.strictObject({ n: z.number().int() })

function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('identity', () => {
  it('KEY-1 gives the keys and signatures of RFC 8032, section 7.1, tests 1 to 3', () => {
    const vectors = [
      [
        '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      ],
      [
        '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
      ],
      [
        'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
        'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
        'af82',
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
      ],
    ] as const
    for (const [seed, publicKey, message, signature] of vectors) {
      const identity = identityFromSeed(fromHex(seed))
      expect(toHex(identity.publicKey)).toBe(publicKey)
      expect(toHex(identity.sign(fromHex(message)))).toBe(signature)
      expect(verifySignature(identity.publicKey, fromHex(message), fromHex(signature))).toBe(true)
    }
  })

  it('NET-1 names a node by the libp2p peer id of its key, and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const id = nodeIdFromPublicKey(key)
        expect(id).toMatch(/^12D3KooW/)
        expect(publicKeyFromNodeId(id)).toEqual(key)
      }),
    )
    for (const bad of [
      '',
      'x',
      '12D3KooW',
      'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
      '0'.repeat(500),
    ]) {
      expect(codeOf(() => publicKeyFromNodeId(bad))).toBe('keys/node-id')
    }
  })
})

describe('signed document', () => {
  const identity = createIdentity(seededRandom(1))
  const document = signDocument(identity, 'askee/test/1', { n: 7 })
  const verify = (bytes: Uint8Array, domain = 'askee/test/1', maxBytes = 100) =>
    verifyDocument(bytes, domain, schema, { maxBytes })

  it('MSG-1 is read by anyone and names its signer', () => {
    expect(verify(document)).toMatchObject({ signer: identity.id, value: { n: 7 } })
  })

  it('MSG-1 is refused when any bit of it changes', () => {
    for (let bit = 0; bit < document.length * 8; bit++) {
      const changed = Uint8Array.from(document)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(codeOf(() => verify(changed))).toMatch(/^(codec|signature|keys)\//)
    }
  })

  it('MSG-1 never passes for a document of another kind, signer or size', () => {
    expect(codeOf(() => verify(document, 'askee/other/1'))).toBe('signature/invalid')
    expect(codeOf(() => verify(new Uint8Array(10_000)))).toBe('codec/too-large')
    expect(codeOf(() => verify(encode({ hello: 1 })))).toBe('codec/schema')
    const other = createIdentity(seededRandom(2))
    const options = { maxBytes: 100, signer: other.id }
    expect(codeOf(() => verifyDocument(document, 'askee/test/1', schema, options))).toBe('signature/signer')
    expect(codeOf(() => verify(signDocument(identity, 'askee/test/1', { n: 'x' })))).toBe('codec/schema')
  })

  it('MSG-1 refuses a second encoding of the same value', () => {
    const text = Buffer.from(document).toString('latin1')
    const unsorted = `${text[0]}${text.slice(text.indexOf('fsigner'))}${text.slice(1, text.indexOf('fsigner'))}`
    expect(codeOf(() => verify(new Uint8Array(Buffer.from(unsorted, 'latin1'))))).toMatch(
      /^codec\/(not-canonical|malformed)$/,
    )
    const long = Uint8Array.from([0xb8, 0x03, ...document.subarray(1)])
    expect(codeOf(() => verify(long))).toBe('codec/malformed')
    expect(verifySignature(identity.publicKey, utf8('x'), new Uint8Array(63))).toBe(false)
    expect(verifySignature(new Uint8Array(32), utf8('x'), new Uint8Array(64))).toBe(false)
  })
})
