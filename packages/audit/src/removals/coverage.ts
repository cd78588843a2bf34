import type { Removal } from './act.ts'

/** Positions in a log, one bit each. */
export class PositionSet {
  #bits = new Uint8Array(1024)

  add(position: number): void {
    const byte = Math.floor(position / 8)
    if (byte >= this.#bits.byteLength) {
      const grown = new Uint8Array(2 * (byte + 1))
      grown.set(this.#bits)
      this.#bits = grown
    }
    this.#bits[byte] = (this.#bits[byte] as number) | (1 << (position % 8))
  }

  has(position: number): boolean {
    return ((this.#bits[Math.floor(position / 8)] ?? 0) & (1 << (position % 8))) !== 0
  }
}

type Act = Exclude<Removal, { kind: 'cancelled' }>

/** For which contents the log says that they went: two bits an entry, whatever was removed how often. */
export class Coverage {
  readonly #covered = { purged: new PositionSet(), erased: new PositionSet() }
  /**
   * The acts of the newest removal, which alone can still be cancelled: removals come one after the other. Not in the sets yet:
   * what an earlier one covers as well stays covered when this one is cancelled.
   */
  #newest: { index: number; removal: Act }[] = []
  readonly #from: number
  readonly #to: number

  /** @param part the entries that are asked about: of no others a bit is held */
  constructor({ from, to }: { from: number; to: number } = { from: 0, to: Number.MAX_SAFE_INTEGER }) {
    this.#from = from
    this.#to = to
  }

  /** In the order of the log, all of them before the first question. */
  add(index: number, removal: Removal): void {
    if (removal.kind === 'cancelled') {
      if (this.#newest.some((act) => act.index === removal.cancels)) this.#newest = []
      return
    }
    if (!isSameRemoval(this.#newest[0]?.removal, removal)) this.#settle()
    this.#newest.push({ index, removal })
  }

  has(kind: 'purged' | 'erased', position: number): boolean {
    if (this.#newest.length > 0) this.#settle()
    return this.#covered[kind].has(position - this.#from)
  }

  #settle(): void {
    for (const { removal } of this.#newest) {
      const covered = this.#covered[removal.kind]
      for (const { first, last } of removal.ranges) {
        const end = Math.min(last, this.#to - 1)
        for (let at = Math.max(first, this.#from); at <= end; at++) covered.add(at - this.#from)
      }
    }
    this.#newest = []
  }
}

/** Whether two acts are parts of one removal: an act names 500 contents at most. */
export function isSameRemoval(before: Act | undefined, next: Act): boolean {
  return before?.kind === 'erased' && next.kind === 'erased' && before.request === next.request
}
