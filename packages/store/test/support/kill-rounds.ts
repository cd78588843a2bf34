import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundlePrograms } from '../../../../scripts/bundling.ts'
import { openDatabase } from '../../src/index.ts'
import { contentsOf, openWholeStore, PLAIN_SCHEMA } from './whole-store.ts'

const CHILD = 'packages/store/test/support/kill-child.ts'

/** A program of this checkout, in a file of `folder`: it starts in a third of the time, and is started hundreds of times. */
export async function programIn(folder: string, source: string): Promise<string> {
  const directory = join(folder, 'program')
  mkdirSync(directory, { recursive: true })
  for (const file of await bundlePrograms({ program: source })) {
    writeFileSync(join(directory, file.fileName), file.type === 'chunk' ? file.code : file.source)
  }
  return join(directory, 'program.mjs')
}

/**
 * Runs a program until it has said so many lines, and so many milliseconds more, and kills it.
 * @returns the whole lines that it said
 */
export function killedAfter(
  program: string,
  args: readonly string[],
  lines: number,
  delay: number,
): Promise<string[]> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let seen = ''
    let ending = false
    child.stdout.on('data', (chunk) => {
      seen += chunk
      if (ending || seen.split('\n').length <= lines) return
      ending = true
      setTimeout(() => child.kill('SIGKILL'), delay)
    })
    child.on('close', () => resolve(seen.split('\n').slice(0, -1)))
  })
}

export interface KillCount {
  rounds: number
  /** Rows and fields that were said to be written, over all rounds. */
  acknowledged: number
  /** Rounds in which the child died before its work was done. */
  interrupted: number
  /** What was said and is not there, or is there and wrong. */
  lost: string[]
}

/** Writes to one store with kill -9 in the middle, `rounds` times; after each all that was ever acknowledged must be there. */
export async function killWriters(folder: string, rounds: number, random: () => number): Promise<KillCount> {
  const directory = join(folder, 'killed')
  const device = join(folder, 'device')
  mkdirSync(directory, { recursive: true })
  const program = await programIn(folder, CHILD)
  const count: KillCount = { rounds, acknowledged: 0, interrupted: 0, lost: [] }
  const acknowledged = new Set<string>()
  let next = 1
  for (let round = 0; round < rounds; round++) {
    // Every fourth one dies while it opens.
    const lines = round % 4 === 3 ? 1 : 2 + Math.floor(random() * 40)
    const args = [directory, device, `${next}`, 'write']
    for (const line of await killedAfter(program, args, lines, random() * 15)) {
      if (/^(row|field)/.test(line)) acknowledged.add(line)
    }
    const store = await openWholeStore(directory, device)
    const { rows, fields } = (await contentsOf(store, [])) as {
      rows: { x: number }[]
      fields: [string, string][]
    }
    store.close()
    const found = new Set([
      ...rows.map(({ x }) => `row ${x}`),
      ...fields.map(([subject]) => `field ${subject}`),
    ])
    count.lost.push(...[...acknowledged].filter((line) => !found.has(line)))
    next = Math.max(0, ...rows.map(({ x }) => x), ...fields.map(([subject]) => Number(subject))) + 1
  }
  count.acknowledged = acknowledged.size
  count.interrupted = rounds
  return count
}

/** Encrypts a plain database with kill -9 in the middle, `rounds` times; after each it opens with all its rows. */
export async function killEncrypters(
  folder: string,
  rounds: number,
  random: () => number,
): Promise<KillCount> {
  const count: KillCount = { rounds, acknowledged: 0, interrupted: 0, lost: [] }
  const program = await programIn(folder, CHILD)
  const ROWS = 3_000
  for (let round = 0; round < rounds; round++) {
    const directory = join(folder, 'encrypting')
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory)
    const path = join(directory, 'plain.db')
    const plain = openDatabase(path, PLAIN_SCHEMA)
    const insert = plain.prepare('INSERT INTO n VALUES (?, ?)')
    plain.transaction(() => {
      for (let i = 0; i < ROWS; i++) insert.run(i, `a row in clear ${i} `.repeat(10))
    })()
    plain.close()
    const lines = await killedAfter(program, [directory, '', '', 'encrypt'], 1, random() * 120)
    if (!lines.includes('done')) count.interrupted++
    const database = openDatabase(path, PLAIN_SCHEMA, { key: new Uint8Array(32).fill(7), plain: 'encrypt' })
    const rows = database.prepare('SELECT count(*) FROM n').pluck().get() as number
    database.close()
    count.acknowledged += ROWS
    if (rows !== ROWS) count.lost.push(`round ${round}: ${rows} of ${ROWS} rows`)
  }
  return count
}
