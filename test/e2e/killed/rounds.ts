import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@askee/core'
import { leafHash } from '../../../packages/audit/src/index.ts'
import { killedAfter } from '../../../packages/store/test/support/kill-rounds.ts'
import { contentsOf } from '../../../packages/store/test/support/whole-store.ts'
import { openStoreAndLog } from './store-and-log.ts'

export interface Killed {
  rows: number
  acts: number
  /** Signed states of the log, each of which the log was held against after every later kill. */
  notes: number
  /** What was said and is not there, or is another, and what the log's verification found. */
  readonly wrong: string[]
}

/** Rounds on one store: the log is verified whole after each, which takes the longer the longer it is. */
const ROUNDS_A_STORE = 50

/**
 * Kills writers with -9, `rounds` times; after each all that was ever acknowledged must be there, and the log must verify.
 * @param program the bundled writer
 */
export async function killWriters(
  folder: string,
  program: string,
  rounds: number,
  random: () => number,
): Promise<Killed> {
  const killed: Killed = { rows: 0, acts: 0, notes: 0, wrong: [] }
  for (let done = 0; done < rounds; done += ROUNDS_A_STORE) {
    const directory = join(folder, `store-${done}`)
    mkdirSync(directory, { recursive: true })
    await killOneStore(directory, program, Math.min(ROUNDS_A_STORE, rounds - done), random, killed)
  }
  return killed
}

async function killOneStore(
  directory: string,
  program: string,
  rounds: number,
  random: () => number,
  killed: Killed,
): Promise<void> {
  const device = `${directory}.device`
  const written = new Set<string>()
  const acts = new Map<number, string>()
  const notes: string[] = []
  let next = 1
  for (let round = 0; round < rounds; round++) {
    // Every fourth one dies while it opens.
    const lines = round % 4 === 3 ? 1 : 2 + Math.floor(random() * 60)
    for (const line of await killedAfter(program, [directory, device, `${next}`], lines, random() * 15)) {
      const [kind, what = '', leaf = ''] = line.split(' ')
      if (kind === 'row' || kind === 'field') written.add(line)
      else if (kind === 'act') acts.set(Number(what), leaf)
      else if (kind === 'note') notes.push(Buffer.from(what, 'base64').toString())
    }
    const { store, log, verify, close } = await openStoreAndLog(directory, device)
    try {
      const { rows, fields } = (await contentsOf(store, [])) as {
        rows: { x: number }[]
        fields: [string, string][]
      }
      const found = new Set([...rows.map(({ x }) => `row ${x}`), ...fields.map(([name]) => `field ${name}`)])
      killed.wrong.push(...[...written].filter((line) => !found.has(line)).map((line) => `${line} is lost`))
      for (const [index, leaf] of acts) {
        const stands = index < log.size() ? toHex(leafHash(log.prove(index).entry)) : 'nothing'
        if (stands !== leaf) killed.wrong.push(`act ${index} is ${stands}, not ${leaf}`)
      }
      const { found: findings, findings: first, entries } = await verify(notes)
      if (findings > 0) killed.wrong.push(`${findings} findings: ${JSON.stringify(first[0])}`)
      if (entries < acts.size) killed.wrong.push(`${entries} entries, ${acts.size} acts`)
      next = Math.max(0, ...rows.map(({ x }) => x), ...fields.map(([name]) => Number(name))) + 1
    } finally {
      close()
    }
  }
  killed.rows += written.size
  killed.acts += acts.size
  killed.notes += notes.length
}
