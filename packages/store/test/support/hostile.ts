import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AskeeError, type Digest } from '@askee/core'
import { contentsOf, filesOf, fill, openWholeStore, snapshot } from './whole-store.ts'

/** A store as it stands on a disk at one moment, and what it must hold. */
export interface Standing {
  readonly directory: string
  readonly device: string
  readonly digests: readonly Digest[]
  readonly contents: unknown
}

/** The same store twice: closed in order, and as a crash left it with its newest rows in the log alone. */
export async function makeStandings(
  folder: string,
  rows: number,
): Promise<{ closed: Standing; crashed: Standing; older: Standing }> {
  const device = join(folder, 'device')
  const live = join(folder, 'live')
  const at = (name: string) => join(folder, name)
  mkdirSync(live)

  let store = await openWholeStore(live, device)
  const digests = await fill(store, rows)
  const old = await contentsOf(store, digests)
  store.close()
  snapshot(live, at('older'))

  store = await openWholeStore(live, device)
  for (let x = rows; x < rows + 8; x++) store.rows.prepare('INSERT INTO n VALUES (?, ?)').run(x, `row ${x}`)
  const contents = await contentsOf(store, digests)
  snapshot(live, at('crashed'))
  store.close()
  snapshot(live, at('closed'))

  const standing = (name: string, what: unknown) => ({ directory: at(name), device, digests, contents: what })
  return {
    closed: standing('closed', contents),
    crashed: standing('crashed', contents),
    older: standing('older', old),
  }
}

export type Judgement =
  /** Refused, or a block dropped, with an error of ours that names the file. */
  | { readonly kind: 'named'; readonly code: string; readonly text: string }
  /** Everything is there and right. */
  | { readonly kind: 'whole' }
  /** A block is not held, and nobody says why. */
  | { readonly kind: 'lost' }
  /** What must never be. */
  | { readonly kind: 'failed'; readonly text: string }

/** Opens a copy of `standing` after `change` was done to it, and says what came of it. */
export async function judge(
  standing: Standing,
  work: string,
  change: (directory: string) => void,
): Promise<Judgement> {
  rmSync(work, { recursive: true, force: true })
  cpSync(standing.directory, work, { recursive: true })
  change(work)
  const first = await read(standing, work)
  if (first.kind !== 'whole') return first
  // What was taken for whole must still be so after it was closed in order.
  const second = await read(standing, work)
  return second.kind === 'whole' ? first : { kind: 'failed', text: `at the second opening: ${second.kind}` }
}

async function read(standing: Standing, directory: string): Promise<Judgement> {
  try {
    const store = await openWholeStore(directory, standing.device)
    try {
      return compare(standing.contents, await contentsOf(store, standing.digests), store.reports)
    } finally {
      store.close()
    }
  } catch (error) {
    if (error instanceof AskeeError) return { kind: 'named', code: error.code, text: error.message }
    return { kind: 'failed', text: `not named: ${error}` }
  }
}

function compare(expected: unknown, found: unknown, reports: readonly AskeeError[]): Judgement {
  const [a, b] = [expected, found] as { blocks: (string | null)[] }[]
  if (JSON.stringify({ ...a, blocks: 0 }) !== JSON.stringify({ ...b, blocks: 0 })) {
    return { kind: 'failed', text: `other rows or fields: ${JSON.stringify(b).slice(0, 300)}` }
  }
  const lost = b!.blocks.filter((block, i) => block !== a!.blocks[i])
  if (lost.some((block) => block !== null)) return { kind: 'failed', text: 'a wrong block' }
  const [report] = reports
  if (report !== undefined) return { kind: 'named', code: report.code, text: report.message }
  return lost.length === 0 ? { kind: 'whole' } : { kind: 'lost' }
}

export function flip(file: string, at: number): (directory: string) => void {
  return (directory) => {
    const path = join(directory, file)
    const bytes = readFileSync(path)
    bytes[at] = bytes[at]! ^ (1 << (at % 8))
    writeFileSync(path, bytes)
  }
}

export function cut(file: string, length: number): (directory: string) => void {
  return (directory) => {
    const path = join(directory, file)
    writeFileSync(path, readFileSync(path).subarray(0, length))
  }
}

/** Every file of a standing with its size; empty ones have nothing to flip. */
export function sizesOf({ directory }: Standing): [file: string, size: number][] {
  return filesOf(directory)
    .map((file): [string, number] => [file, statSync(join(directory, file)).size])
    .filter(([, size]) => size > 0)
}

/** The name that errors about a file carry: a log is named by its database. */
export function stemOf(file: string): string {
  return file.replace(/-(wal|shm)$/, '')
}

/** About `count` places in a file: all of its beginning, its end, and places between, each time others. */
export function samplePlaces(size: number, count: number, seed: number): number[] {
  const places = new Set<number>([0, size - 1])
  const head = Math.min(size, Math.floor(count / 3))
  for (let i = 0; i < head; i++) places.add(i)
  const step = size / Math.max(1, count - head)
  for (let at = (seed % 97) / 97; at < count - head; at++)
    places.add(Math.min(size - 1, Math.floor(at * step)))
  return [...places].sort((a, b) => a - b)
}

/**
 * Whether a change may do nothing at all: to the index of the log, which is made anew; after a crash to pages of which the log
 * holds newer ones.
 */
export function mayPass(state: 'closed' | 'crashed', file: string): boolean {
  return /-shm$/.test(file) || (state === 'crashed' && file.endsWith('.db'))
}
