/** A control frame of the validation algorithm, and what the pass needs to know about the block. */
export const FRAME = { function: 0, block: 1, loop: 2, if: 3, else: 4 } as const

export interface Frame {
  kind: number
  params: Uint8Array
  results: Uint8Array
  /** Height and bytes of the operand stack below the block. */
  height: number
  bytes: number
  polymorphic: boolean
  /** Whether reachable code branches to the block's label. */
  targeted: boolean
  /** Smallest frame number that reachable code inside branches to. */
  lowestTarget: number
  /** Region (edit that charges) in which the block begins; −1 when it cannot be reached. */
  entryRegion: number
  /** Loop around the block's content, or −1. */
  loop: number
  /** Of an `if` in a loop: the edit that exchanges its arms. Else −1. */
  exchange: number
}

export const NO_TYPES = new Uint8Array(0)

export function newFrame(): Frame {
  return {
    kind: 0,
    params: NO_TYPES,
    results: NO_TYPES,
    height: 0,
    bytes: 0,
    polymorphic: false,
    targeted: false,
    lowestTarget: 0,
    entryRegion: 0,
    loop: -1,
    exchange: -1,
  }
}
