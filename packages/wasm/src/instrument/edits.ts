/** What the pass does at one place of a body. The meaning of `a` and `b` is said at each kind. */
export const EDIT = {
  /** a: cost, b: innermost loop or −1. Charge. */
  charge: 0,
  /** a: cost, b: this loop. Charge and check, at a loop's header. */
  loopCharge: 1,
  /** b: the loop that begins here. Load fuel into the local if the loop calls nothing. */
  beforeLoop: 2,
  /** a: shape (NAN_*), b: 1 when no one sees the bits. */
  canonical: 3,
  /** a: bytes replaced, b: function to call instead. */
  call: 4,
  /** a: how the length is counted (LENGTH), b: innermost loop or −1. Charge for the length on the stack. */
  length: 5,
  /** a: depth of the function's label. `return`. */
  return: 6,
  /** b: this loop, c: loop around it. The loop's end is reached. */
  afterLoop: 7,
  /** b: innermost loop, c: loop of the outermost target. Before a branch that may leave the loop. */
  leave: 8,
  /** a: label, b and c as for `leave`. A br_if without values. */
  leaveIf: 9,
  /** a: bytes of the `if`, b: 1 when its only arm ends by going back to a loop. Exchange the arms. */
  exchangeArms: 10,
} as const

/** How the operand on top of the stack is turned into fuel. */
export const LENGTH = { memoryBytes: 0, elements: 1, pages: 2 } as const

/**
 * Edits of one function body in the order of their places, in parallel arrays because a module has millions.
 * Costs and NaN edits change after they were recorded, when what follows is known.
 */
export class EditTape {
  #at = new Int32Array(1024)
  #kind = new Uint8Array(1024)
  #a = new Int32Array(1024)
  #b = new Int32Array(1024)
  /** For a charge: the region that always runs before it. */
  #c = new Int32Array(1024)
  length = 0
  /** For each loop the loop around it, or −1. */
  readonly loopParent: number[] = []
  /** For each loop whether something in it is called. */
  readonly loopCalls: boolean[] = []

  reset(): void {
    this.length = 0
    this.loopParent.length = 0
    this.loopCalls.length = 0
  }

  add(at: number, kind: number, a: number, b: number, c = 0): number {
    if (this.length === this.#at.length) this.#grow()
    const index = this.length++
    this.#at[index] = at
    this.#kind[index] = kind
    this.#a[index] = a
    this.#b[index] = b
    this.#c[index] = c
    return index
  }

  at(index: number): number {
    return this.#at[index] as number
  }

  kind(index: number): number {
    return this.#kind[index] as number
  }

  a(index: number): number {
    return this.#a[index] as number
  }

  b(index: number): number {
    return this.#b[index] as number
  }

  c(index: number): number {
    return this.#c[index] as number
  }

  addCost(index: number, cost: number): void {
    this.#a[index] = (this.#a[index] as number) + cost
  }

  /** The only arm of this `if` goes back to a loop. */
  exchangeArms(index: number): void {
    this.#b[index] = 1
  }

  /** Nobody sees the bits of this NaN: the edit is left out. */
  dismissCanonical(index: number): void {
    this.#b[index] = 1
  }

  /**
   * Charges small regions in advance, with the region that always runs before them in the same loop: `most` units
   * at most for each such region. A loop of a few instructions is then charged once a turn and not at every `if`.
   */
  chargeInAdvance(most: number): void {
    const taken = new Map<number, number>()
    const home = new Map<number, number>()
    for (let index = 1; index < this.length; index++) {
      const cost = this.#a[index] as number
      if (this.#kind[index] !== EDIT.charge) continue
      const before = this.#c[index] as number
      const root = home.get(before) ?? before
      const sum = (taken.get(root) ?? 0) + cost
      if (sum > most) continue
      taken.set(root, sum)
      home.set(index, root)
      this.addCost(root, cost)
      this.#a[index] = 0
    }
  }

  #grow(): void {
    const size = this.#at.length * 2
    const larger = <T extends Int32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.#at = larger(this.#at, new Int32Array(size))
    this.#kind = larger(this.#kind, new Uint8Array(size))
    this.#a = larger(this.#a, new Int32Array(size))
    this.#b = larger(this.#b, new Int32Array(size))
    this.#c = larger(this.#c, new Int32Array(size))
  }
}
