/** Sealed blocks beside plain ones, in megabytes a second of processor time. `node packages/store/bench/blocks.ts`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '@askee/core'
import { createBlockStore } from '../src/index.ts'
import { median } from './databases.ts'

const BLOCK_BYTES = 8 * 1024 * 1024
const BLOCKS = 6
const RANGE_BYTES = 1024 * 1024
const KEY = new Uint8Array(32).fill(7)

interface BlockRates {
  readonly put: number
  readonly get: number
  readonly range: number
}

async function measureBlocks(kind: 'plain' | 'sealed'): Promise<BlockRates> {
  const directory = mkdtempSync(join(tmpdir(), 'askee-bench-'))
  const store = await createBlockStore(
    { clock: systemClock },
    {
      directory,
      maxBytes: 2 ** 40,
      ...(kind === 'sealed' && { sealing: { key: KEY, random: systemRandom } }),
    },
  )
  const blocks = Array.from({ length: BLOCKS }, (_, i) => new Uint8Array(BLOCK_BYTES).fill(i))
  try {
    const digests = await Promise.all(blocks.map((bytes) => store.put(bytes.subarray(0, 1))))
    const put = await rate(async () => {
      for (const [i, bytes] of blocks.entries()) digests[i] = await store.put(bytes)
    })
    const get = await rate(async () => {
      for (const digest of digests) await store.get(digest)
    })
    const range = await rate(async () => {
      for (const digest of digests) {
        for (let at = 0; at < BLOCK_BYTES; at += RANGE_BYTES) await store.readRange(digest, at, RANGE_BYTES)
      }
    })
    return { put, get, range }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function rate(body: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await body()
  const { user, system } = process.cpuUsage(before)
  return (BLOCKS * BLOCK_BYTES) / (user + system)
}

if (import.meta.main) {
  const taken = { plain: [] as BlockRates[], sealed: [] as BlockRates[] }
  for (let i = 0; i < 5; i++) {
    for (const kind of ['plain', 'sealed'] as const) taken[kind].push(await measureBlocks(kind))
  }
  for (const kind of ['plain', 'sealed'] as const) {
    const columns = (['put', 'get', 'range'] as const).map((figure) =>
      median(taken[kind].map((one) => one[figure]))
        .toFixed(0)
        .padStart(7),
    )
    process.stdout.write(`${kind.padEnd(8)} put, get, 1 MiB ranges: ${columns.join('')} MB per second\n`)
  }
}
