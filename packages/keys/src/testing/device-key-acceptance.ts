import { bytesEqual, errorCode, utf8 } from '@askee/core'
import type { TestFunctions } from '@askee/core/testing'
import { type DeviceKey, MAX_SECRET_BYTES } from '../device-key/device-key.ts'

/** Where the keys of one provider live while it is tested. */
export interface DeviceKeyTestHome {
  /** The device key of that name: the same one every time, and another one for every other name. */
  open(name: string): Promise<DeviceKey>
}

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
const CONTEXT = 'test/purpose/1'

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/**
 * What every provider of the device key must do.
 * @param test vitest's functions
 * @param home called once for the suite
 */
export function deviceKeyAcceptance(
  test: TestFunctions,
  provider: DeviceKey['provider'],
  makeHome: () => Promise<DeviceKeyTestHome>,
): void {
  const { it, expect, beforeAll, afterAll } = test
  test.describe(`device key: ${provider}`, () => {
    let home: DeviceKeyTestHome
    let key: DeviceKey
    beforeAll(async () => {
      home = await makeHome()
      key = await home.open('one')
    })
    afterAll(() => key?.close())

    it(`KEY-2 ${provider}: gives back what was wrapped, from 1 byte to ${MAX_SECRET_BYTES}`, async () => {
      expect(key.provider).toBe(provider)
      for (const size of [1, 16, 32, 33, 4096, MAX_SECRET_BYTES]) {
        const secret = new Uint8Array(size).fill(size & 0xff)
        const wrapped = await key.wrap(secret, CONTEXT)
        expect(bytesEqual(await key.unwrap(wrapped, CONTEXT), secret), `${size} bytes`).toBe(true)
      }
      expect(await codeOf(key.wrap(new Uint8Array(0), CONTEXT))).toBe('keys/secret-size')
      const tooLarge = new Uint8Array(MAX_SECRET_BYTES + 1)
      expect(await codeOf(key.wrap(tooLarge, CONTEXT))).toBe('keys/secret-size')
    })

    it(`KEY-2 ${provider}: never wraps to the same bytes twice, nor shows the secret in them`, async () => {
      const secret = utf8('a secret that would be seen at once')
      const [a, b] = [await key.wrap(secret, CONTEXT), await key.wrap(secret, CONTEXT)]
      expect(bytesEqual(a, b)).toBe(false)
      expect(Buffer.from(a).includes(Buffer.from(secret))).toBe(false)
    })

    it(`KEY-2 ${provider}: is the same key when opened again, and another one under another name`, async () => {
      const wrapped = await key.wrap(SECRET, CONTEXT)
      const again = await home.open('one')
      expect(await again.unwrap(wrapped, CONTEXT)).toEqual(SECRET)
      await again.close()
      expect(await key.unwrap(wrapped, CONTEXT)).toEqual(SECRET)
      const other = await home.open('two')
      expect(await codeOf(other.unwrap(wrapped, CONTEXT))).toBe('keys/wrong-key')
      await other.close()
    })

    it(`KEY-2 ${provider}: refuses another context`, async () => {
      const wrapped = await key.wrap(SECRET, CONTEXT)
      for (const context of ['', 'test/purpose/2', `${CONTEXT} `]) {
        expect(await codeOf(key.unwrap(wrapped, context))).toBe('keys/wrong-context')
      }
    })

    it(`KEY-2 ${provider}: refuses a secret that was relabelled for another context`, async () => {
      const [from, to] = [await key.wrap(SECRET, CONTEXT), await key.wrap(SECRET, 'test/purpose/2')]
      const relabelled = Uint8Array.from(from)
      // The context's id stands in the clear, after version and key id.
      relabelled.set(to.subarray(9, 17), 9)
      expect(await codeOf(key.unwrap(relabelled, 'test/purpose/2'))).toBe('keys/unwrap-refused')
      expect(await codeOf(key.unwrap(relabelled, CONTEXT))).toBe('keys/wrong-context')
    })

    it(`STO-1 ${provider}: refuses every flipped bit, each with a code`, async () => {
      const wrapped = await key.wrap(SECRET, CONTEXT)
      const codes = new Map<string, number>()
      for (let bit = 0; bit < wrapped.byteLength * 8; bit++) {
        const flipped = Uint8Array.from(wrapped)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        const code = (await codeOf(key.unwrap(flipped, CONTEXT))) as string
        codes.set(code, (codes.get(code) ?? 0) + 1)
      }
      // Version, key id, context id; the rest is the tag's to find.
      const body = (12 + SECRET.byteLength + 16) * 8
      expect(Object.fromEntries(codes)).toEqual({
        'keys/wrapped-format': 8,
        'keys/wrong-key': 64,
        'keys/wrong-context': 64,
        'keys/unwrap-refused': body,
      })
    })

    it(`STO-1 ${provider}: refuses every truncation, and bytes that follow`, async () => {
      const wrapped = await key.wrap(SECRET, CONTEXT)
      for (let length = 0; length < wrapped.byteLength; length++) {
        const code = await codeOf(key.unwrap(wrapped.subarray(0, length), CONTEXT))
        expect(['keys/wrapped-format', 'keys/unwrap-refused']).toContain(code)
      }
      const longer = new Uint8Array(wrapped.byteLength + 1)
      longer.set(wrapped)
      expect(await codeOf(key.unwrap(longer, CONTEXT))).toBe('keys/unwrap-refused')
      expect(await codeOf(key.unwrap(new Uint8Array(1 << 20).fill(1), CONTEXT))).toBe('keys/wrapped-format')
    })

    it(`KEY-2 ${provider}: does nothing once closed, and closes twice`, async () => {
      const closing = await home.open('one')
      const wrapped = await closing.wrap(SECRET, CONTEXT)
      await closing.close()
      await closing.close()
      expect(await codeOf(closing.wrap(SECRET, CONTEXT))).toBe('keys/closed')
      expect(await codeOf(closing.unwrap(wrapped, CONTEXT))).toBe('keys/closed')
    })

    it(`KEY-2 ${provider}: answers many at once, each its own`, async () => {
      const secrets = Array.from({ length: 40 }, (_, i) => new Uint8Array(16 + i).fill(i + 1))
      const wrapped = await Promise.all(secrets.map((secret, i) => key.wrap(secret, `many/${i}`)))
      const again = await Promise.all(wrapped.map((bytes, i) => key.unwrap(bytes, `many/${i}`)))
      expect(again).toEqual(secrets)
    })
  })
}
