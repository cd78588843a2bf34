import type { Removal } from './act.ts'
import type { PositionRange } from './positions.ts'

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

  remove(position: number): void {
    const byte = Math.floor(position / 8)
    if (byte < this.#bits.byteLength) {
      this.#bits[byte] = (this.#bits[byte] as number) & ~(1 << (position % 8))
    }
  }

  has(position: number): boolean {
    return ((this.#bits[Math.floor(position / 8)] ?? 0) & (1 << (position % 8))) !== 0
  }
}

/** For which contents the log says that they went: two bits an entry, whatever was removed how often. */
export class Coverage {
  readonly #covered = { purged: new PositionSet(), erased: new PositionSet() }
  /** The acts of the newest removal, which alone can still be cancelled: removals come one after the other. */
  #newest: { index: number; removal: Exclude<Removal, { kind: 'cancelled' }> }[] = []

  /** In the order of the log. */
  add(index: number, removal: Removal): void {
    if (removal.kind === 'cancelled') {
      if (this.#newest[0]?.index !== removal.cancels) return
      for (const { removal: undone } of this.#newest) {
        each(undone.ranges, (position) => this.#covered[undone.kind].remove(position))
      }
      this.#newest = []
      return
    }
    each(removal.ranges, (position) => this.#covered[removal.kind].add(position))
    const before = this.#newest[0]?.removal
    const isSame =
      before?.kind === 'erased' && removal.kind === 'erased' && before.request === removal.request
    if (isSame) this.#newest.push({ index, removal })
    else this.#newest = [{ index, removal }]
  }

  has(kind: 'purged' | 'erased', position: number): boolean {
    return this.#covered[kind].has(position)
  }
}

function each(ranges: readonly PositionRange[], visit: (position: number) => void): void {
  for (const { first, last } of ranges) for (let at = first; at <= last; at++) visit(at)
}
