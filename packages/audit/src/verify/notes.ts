import { bytesEqual, errorText, type NodeId } from '@askee/core'
import type { Database } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import type { Frontier } from '../frontier.ts'
import { SIGNATURE_UNITS } from '../turns.ts'
import { type Findings, MAX_FINDINGS } from './findings.ts'

/** Notes read at once: no more than entries are. */
const MAX_AT_ONCE = 256

interface Note {
  readonly size: number
  readonly note: string
}

/**
 * The checkpoints of a log, its own and those that others kept, compared with its root at the very size that each of them
 * names, while the log is read from its beginning.
 */
export class Notes {
  readonly #select: ReturnType<Database['prepare']>
  readonly #origin: NodeId
  readonly #findings: Findings
  /** Smallest size last. */
  readonly #known: SignedCheckpoint[]
  /** Of the log's own, smallest size last. */
  #own: Note[] = []
  #after = -1
  /** Up to here the log is what was signed. */
  #trusted = 0
  #checked = 0

  constructor(database: Database, origin: NodeId, findings: Findings, known: readonly string[]) {
    this.#select = database.prepare(
      `SELECT size, note FROM audit_checkpoints WHERE size > ? AND size <= ? ORDER BY size LIMIT ${MAX_AT_ONCE}`,
    )
    this.#origin = origin
    this.#findings = findings
    this.#known = known.flatMap((note) => this.#open(note, 0)).sort((a, b) => b.size - a.size)
  }

  /** The log's own checkpoints that were compared. */
  get checked(): number {
    return this.#checked
  }

  /** Reads what was signed up to `size`, the last that the tree is to have before the next call. */
  load(size: number): void {
    this.#own = (this.#select.all(this.#after, size) as Note[]).reverse()
    this.#after = size
  }

  /**
   * Compares what was signed at the size that the tree has now.
   * @returns what it cost, in units of a turn
   */
  check(tree: Frontier): number {
    let units = 0
    for (let next = this.#own.at(-1); next?.size === tree.size; next = this.#own.at(-1)) {
      this.#own.pop()
      this.#checked++
      for (const checkpoint of this.#open(next.note, next.size)) {
        units += SIGNATURE_UNITS * (1 + checkpoint.cosignatures.length)
        if (checkpoint.size === next.size) this.#compare(checkpoint, tree)
        else this.#refuse(next.size, `a checkpoint of ${checkpoint.size} entries stands at ${next.size}`)
      }
    }
    for (let known = this.#known.at(-1); known?.size === tree.size; known = this.#known.at(-1)) {
      this.#compare(known, tree)
      this.#known.pop()
    }
    return units
  }

  /** What was signed of entries that are not there; the last call. */
  end(tree: Frontier): void {
    const own = this.#select.all(tree.size, Number.MAX_SAFE_INTEGER) as Note[]
    const beyond = [
      ...own.flatMap(({ size, note }) => this.#open(note, size)),
      ...this.#known.filter(({ size }) => size > tree.size).reverse(),
    ]
    for (const { size } of beyond.slice(0, MAX_FINDINGS)) {
      this.#findings.over(
        'audit/cut-off',
        tree.size,
        size - 1,
        `a signed checkpoint says ${size} entries, the log has ${tree.size}: its end was cut off`,
      )
    }
    this.#checked += own.length
  }

  #compare({ size, root }: SignedCheckpoint, tree: Frontier): void {
    if (bytesEqual(tree.root(), root)) {
      this.#trusted = size
      return
    }
    this.#findings.over(
      'audit/root-changed',
      this.#trusted,
      size - 1,
      `the entries after ${this.#trusted} are not those of the checkpoint signed at ${size}`,
    )
  }

  #open(note: string, at: number): SignedCheckpoint[] {
    try {
      const checkpoint = openCheckpoint(note)
      if (checkpoint.origin === this.#origin) return [checkpoint]
      const { size, origin } = checkpoint
      this.#refuse(at, `a checkpoint of ${size} entries is signed by ${origin}, whose log this is not`)
    } catch (error) {
      this.#refuse(at, errorText(error))
    }
    return []
  }

  #refuse(at: number, text: string): void {
    this.#findings.over('audit/checkpoint', this.#trusted, Math.max(this.#trusted, at - 1), text)
  }
}
