import { hkdfSync } from 'node:crypto'
import { fromHex, systemRandom, toHex, utf8 } from '@askee/core'
import * as hpke from 'hpke'
import { describe, expect, it } from 'vitest'
import { p256FromSeed } from '../src/p256.ts'
import { SUITES, sealingKeyPair } from '../src/sealing/suites.ts'

const uses = ['sealing', 'sealing-inner'] as const
/** The library's own, over WebCrypto. */
const REFERENCE = {
  sealing: new hpke.CipherSuite(
    hpke.KEM_DHKEM_X25519_HKDF_SHA256,
    hpke.KDF_HKDF_SHA256,
    hpke.AEAD_AES_256_GCM,
  ),
  'sealing-inner': new hpke.CipherSuite(
    hpke.KEM_DHKEM_P256_HKDF_SHA256,
    hpke.KDF_HKDF_SHA256,
    hpke.AEAD_ChaCha20Poly1305,
  ),
}
const aad = utf8('header')
const info = utf8('info')

describe('the building blocks of HPKE', () => {
  for (const use of uses) {
    it(`MSG-1 ${use}: what the library seals over WebCrypto is opened here, and the other way round`, async () => {
      const seed = systemRandom.bytes(32)
      const { pair, publicKey } = await sealingKeyPair(use, seed)
      const theirs = REFERENCE[use]
      const theirPublic = await theirs.DeserializePublicKey(publicKey)
      const secret =
        use === 'sealing'
          ? seed
          : fromHex(Buffer.from(p256FromSeed(seed).jwk.d as string, 'base64url').toString('hex'))
      const theirPrivate = await theirs.DeserializePrivateKey(secret, false)
      for (const size of [0, 1, 1000]) {
        const body = systemRandom.bytes(size)
        const a = await theirs.Seal(theirPublic, body, { aad, info })
        expect(await SUITES[use].Open(pair, a.encapsulatedSecret, a.ciphertext, { aad, info })).toEqual(body)
        const b = await SUITES[use].Seal(await SUITES[use].DeserializePublicKey(publicKey), body, {
          aad,
          info,
        })
        expect(await theirs.Open(theirPrivate, b.encapsulatedSecret, b.ciphertext, { aad, info })).toEqual(
          body,
        )
      }
    })

    it(`MSG-1 ${use}: another associated data, a short or an altered ciphertext does not open`, async () => {
      const { pair, publicKey } = await sealingKeyPair(use, systemRandom.bytes(32))
      const suite = SUITES[use]
      const { encapsulatedSecret: enc, ciphertext: ct } = await suite.Seal(
        await suite.DeserializePublicKey(publicKey),
        utf8('x'),
        { aad },
      )
      await expect(suite.Open(pair, enc, ct, { aad: utf8('other') })).rejects.toThrow()
      for (const length of [0, 1, 15, 16])
        await expect(suite.Open(pair, enc, ct.subarray(0, length), { aad })).rejects.toThrow()
      const altered = Uint8Array.from(ct)
      altered[0] = (altered[0] as number) ^ 1
      await expect(suite.Open(pair, enc, altered, { aad })).rejects.toThrow()
    })
  }

  it('MSG-1 opens the first message of RFC 9180, A.1.1.1 (X25519, HKDF-SHA256)', async () => {
    // The vector's cipher is AES-128-GCM, so that the KEM and the KDF are ours and the cipher the library's.
    const { dhkemX25519, hkdfSha256 } = await import('../src/sealing/node-hpke.ts')
    const suite = new hpke.CipherSuite(dhkemX25519, hkdfSha256, hpke.AEAD_AES_128_GCM)
    const privateKey = await suite.DeserializePrivateKey(
      fromHex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8'),
    )
    const opened = await suite.Open(
      privateKey,
      fromHex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
      fromHex('f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a'),
      { info: fromHex('4f6465206f6e2061204772656369616e2055726e'), aad: fromHex('436f756e742d30') },
    )
    expect(toHex(opened)).toBe('4265617574792069732074727574682c20747275746820626561757479')
  })

  it('MSG-1 derives what node derives (HKDF, RFC 5869)', async () => {
    const { hkdfSha256 } = await import('../src/sealing/node-hpke.ts')
    const kdf = hkdfSha256()
    for (const [ikm, salt, info, length] of [
      [32, 0, 0, 32],
      [1, 13, 10, 42],
      [80, 64, 80, 82],
      [0, 32, 1, 255 * 32],
    ] as const) {
      const [a, b, c] = [systemRandom.bytes(ikm), systemRandom.bytes(salt), systemRandom.bytes(info)]
      const expected = new Uint8Array(hkdfSync('sha256', a, b, c, length))
      expect(await kdf.Expand(await kdf.Extract(b, a), c, length)).toEqual(expected)
    }
  })

  it('MSG-1 refuses keys of small order and points that are none', async () => {
    const small = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    for (const point of small) {
      const key = await SUITES.sealing.DeserializePublicKey(fromHex(point))
      await expect(SUITES.sealing.Seal(key, utf8('x'))).rejects.toThrow()
    }
    for (const point of [new Uint8Array(65), new Uint8Array(65).fill(4), new Uint8Array(33).fill(2)]) {
      await expect(SUITES['sealing-inner'].DeserializePublicKey(point)).rejects.toThrow()
    }
  })
})
