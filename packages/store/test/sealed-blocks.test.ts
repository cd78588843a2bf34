import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AskeeError, digestOf, errorCode, systemRandom, utf8 } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBlockStore } from '../src/index.ts'
import { allBytes, temporaryFolder } from './support/folder.ts'

const folder = temporaryFolder()
const clock = new VirtualTime()
const KEY = new Uint8Array(32).fill(7)
const CHUNK = 256 * 1024

let number = 0
const place = (): string => join(folder, `${number++}`)
/** What was reported as damaged, in the order of reports. */
const reports: AskeeError[] = []
const open = (directory: string, maxBytes = 2 ** 30, key: Uint8Array | undefined = KEY) =>
  createBlockStore(
    { clock },
    {
      directory,
      maxBytes,
      ...(key.byteLength > 0 && { sealing: { key, random: systemRandom } }),
      onDamaged: (error) => void reports.push(error),
    },
  )
const PLAIN = new Uint8Array(0)
const block = (fill: number, length = 300) => new Uint8Array(length).fill(fill)
const files = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((one) => one.name.endsWith('.sealed'))
    .map((one) => join(one.parentPath, one.name))

describe('sealed blocks', () => {
  it('STO-1 leaves neither content nor digest on disk', async () => {
    const directory = place()
    const text = utf8('The quick brown fox of the clinic in Altdorf. '.repeat(1000))
    const digest = await (await open(directory)).put(text)
    expect(allBytes(directory).includes('brown fox')).toBe(false)
    expect(readdirSync(directory, { recursive: true }).join()).not.toContain(digest.slice(0, 8))
    const store = await open(directory)
    expect(await store.get(digest)).toEqual(text)
    expect(await store.sizeOf(digest)).toBe(text.byteLength)
    expect(store.size()).toBe(text.byteLength)
  })

  it('CON-5 drops every block that is neither pinned nor named, of those that a start found too', async () => {
    const directory = place()
    const before = await open(directory)
    const [named, pinned, rest] = await Promise.all([1, 2, 3].map((fill) => before.put(block(fill))))
    const store = await open(directory)
    store.pin(pinned!)
    // Asked only when the put before it is done.
    const put = store.put(block(4))
    const kept = () => [named!, digestOf(block(4))]
    expect(await store.removeAllBut(kept)).toBe(1)
    const all = [named!, pinned!, rest!, await put]
    expect(await Promise.all(all.map((digest) => store.has(digest)))).toEqual([true, true, false, true])
    expect([files(directory).length, store.size()]).toEqual([3, 900])
  })

  it('STO-1 gives every range of a block of any length', async () => {
    const store = await open(place())
    const length = fc.oneof(
      fc.integer({ min: 0, max: 3 * CHUNK }),
      fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 4 * CHUNK + 1, 5 * CHUNK),
    )
    await fc.assert(
      fc.asyncProperty(
        length,
        fc.nat(),
        fc.nat(6 * CHUNK),
        fc.nat(6 * CHUNK),
        async (size, fill, from, count) => {
          const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + fill) & 255)
          const digest = await store.put(bytes)
          expect(digest).toBe(digestOf(bytes))
          expect(
            Buffer.compare((await store.readRange(digest, from, count))!, bytes.slice(from, from + count)),
          ).toBe(0)
          expect(Buffer.compare((await store.get(digest))!, bytes)).toBe(0)
        },
      ),
      { numRuns: 25 },
    )
  })

  it('STO-1 finds every flipped byte and every cut of a block file, names the file and drops it', async () => {
    const directory = place()
    const bytes = block(3, 70)
    const digest = await (await open(directory)).put(bytes)
    const path = files(directory)[0]!
    const whole = readFileSync(path)
    const broken = [...whole.keys()].flatMap((at) => {
      const flipped = Buffer.from(whole)
      flipped[at] = flipped[at]! ^ (1 << (at % 8))
      return [flipped, whole.subarray(0, at)]
    })
    for (const contents of broken) {
      for (const read of ['get', 'readRange'] as const) {
        writeFileSync(path, contents)
        reports.length = 0
        const store = await open(directory)
        expect(read === 'get' ? await store.get(digest) : await store.readRange(digest, 0, 1)).toBeUndefined()
        expect(reports.map(errorCode)).toEqual(['blocks/damaged'])
        expect(reports[0]?.message).toContain(path)
        expect([await store.has(digest), store.size(), files(directory)]).toEqual([false, 0, []])
      }
    }
    await (await open(directory)).put(bytes)
    expect(await (await open(directory)).get(digest)).toEqual(bytes)
  })

  it('STO-1 finds chunks that were left out, exchanged, or brought from another block', async () => {
    const directory = place()
    const store = await open(directory)
    const bytes = Uint8Array.from({ length: 3 * CHUNK }, (_, i) => (i * 7) & 255)
    const digest = await store.put(bytes)
    const path = files(directory)[0]!
    const whole = readFileSync(path)
    const other = await store.put(block(9, 3 * CHUNK))
    const otherPath = files(directory).find((one) => one !== path)!
    const otherWhole = readFileSync(otherPath)
    const chunk = (from: Buffer, i: number) =>
      from.subarray(24 + i * (CHUNK + 16), 24 + (i + 1) * (CHUNK + 16))
    const header = whole.subarray(0, 24)
    const [a, b, c] = [chunk(whole, 0), chunk(whole, 1), chunk(whole, 2)]
    const forged = [
      Buffer.concat([header, a, b]),
      Buffer.concat([header, b, a, c]),
      Buffer.concat([header, a, b, c, c]),
      Buffer.concat([header, a, b, chunk(otherWhole, 2)]),
      Buffer.concat([otherWhole.subarray(0, 24), a, b, c]),
      otherWhole,
    ]
    for (const contents of forged) {
      writeFileSync(path, contents)
      expect(await (await open(directory)).get(digest)).toBeUndefined()
    }
    writeFileSync(path, whole)
    renameSync(path, `${path}.x`)
    renameSync(otherPath, path)
    renameSync(`${path}.x`, otherPath)
    const swapped = await open(directory)
    expect([await swapped.get(digest), await swapped.readRange(other, 0, 9)]).toEqual([undefined, undefined])
  })

  it('STO-1 notices that a range was changed after the block was found sound', async () => {
    const directory = place()
    const store = await open(directory)
    const digest = await store.put(block(1, 2 * CHUNK))
    const path = files(directory)[0]!
    const bytes = readFileSync(path)
    bytes[100] = bytes[100]! ^ 1
    writeFileSync(path, bytes)
    expect(await store.readRange(digest, 0, 10)).toBeUndefined()
    expect(await store.readRange(digest, CHUNK, 10)).toEqual(block(1, 10))
  })

  it('STO-2 what was put is there, though a damaged file stood in its place since before the start', async () => {
    const directory = place()
    const digest = await (await open(directory)).put(block(1))
    const [path = ''] = files(directory)
    const bytes = readFileSync(path)
    bytes[40]! ^= 1
    writeFileSync(path, bytes)
    const store = await open(directory)
    expect(await store.put(block(1))).toBe(digest)
    expect(await store.get(digest)).toEqual(block(1))
    expect(store.size()).toBe(300)
  })

  it('STO-1 names a wrong key and a missing one, and leaves the blocks', async () => {
    const directory = place()
    const digest = await (await open(directory)).put(block(1))
    const other = new Uint8Array(32).fill(8)
    await expect(open(directory, 1000, other)).rejects.toMatchObject({ code: 'store/wrong-key' })
    await expect(open(directory, 1000, PLAIN)).rejects.toMatchObject({ code: 'store/wrong-key' })
    for (const contents of ['', 'askee-blocks-1\n', 'x'.repeat(40)]) {
      writeFileSync(join(directory, 'key-check'), contents)
      expect(await (await open(directory)).get(digest)).toEqual(block(1))
    }
  })

  it('STO-1 seals the blocks that stand there in clear, once, and drops those that are damaged', async () => {
    const directory = place()
    const plain = await open(directory, 2 ** 30, PLAIN)
    const text = utf8('in clear until now')
    const digests = [await plain.put(text), await plain.put(block(5, CHUNK + 1)), await plain.put(block(6))]
    writeFileSync(join(directory, digests[2]!.slice(0, 2), digests[2]!), block(7))
    const store = await open(directory)
    expect(allBytes(directory).includes('in clear')).toBe(false)
    expect(await store.get(digests[0]!)).toEqual(text)
    expect(await store.get(digests[1]!)).toEqual(block(5, CHUNK + 1))
    expect(await store.has(digests[2]!)).toBe(false)
    expect(files(directory)).toHaveLength(2)
    expect(store.size()).toBe(text.byteLength + CHUNK + 1)
  })

  it('CMP-9 stays within its limit, and removes what a crash left half written', async () => {
    const directory = place()
    const store = await open(directory, 1000)
    const first = await store.put(block(1))
    store.pin(first)
    for (let i = 2; i < 9; i++) {
      await clock.advance(10)
      await store.put(block(i))
    }
    expect(store.size()).toBe(900)
    expect(await store.has(first)).toBe(true)
    await expect(store.put(block(99, 900))).rejects.toMatchObject({ code: 'blocks/full' })
    mkdirSync(join(directory, 'aa'), { recursive: true })
    writeFileSync(join(directory, 'aa', `${'a'.repeat(64)}.sealed.0.tmp`), 'half')
    expect((await open(directory)).size()).toBe(900)
    expect(readdirSync(join(directory, 'aa')).filter((name) => name.endsWith('.tmp'))).toEqual([])
    rmSync(files(directory)[0]!)
  })
})
