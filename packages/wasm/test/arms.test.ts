import { describe, expect, it } from 'vitest'
import { instrument } from '../src/index.ts'
import { type Code, i32, ModuleBuilder, runInV8, type } from '../src/testing/index.ts'

const TURNS = 10
const NEXT: Code = [[0x20, 0], i32(1), 0x6a, [0x21, 0]]
const IS_LEFT: Code = [[0x20, 0], i32(TURNS), 0x48]
/** What the pass writes for an `if` whose arms it exchanges: i32.eqz, if, else. */
const EXCHANGED = Buffer.from([0x45, 0x04, 0x40, 0x05])

/** Counts to ten in its local and leaves that in memory. */
function counting(loop: Code): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 1).exportMemory()
  const store: Code = [i32(0), [0x20, 0], [0x36, 2, 0]]
  return builder.exportFunction('run', builder.func([], [], [type.i32], [loop, store])).bytes()
}

function ran(loop: Code): { fuel: bigint; count: number; isExchanged: boolean } {
  const { bytes } = instrument(counting(loop))
  const { trap, fuel, memory } = runInV8(bytes)
  expect(trap).toBeNull()
  return { fuel, count: memory[0] as number, isExchanged: Buffer.from(bytes).includes(EXCHANGED) }
}

describe('arms of an if', () => {
  const goesBack = ran([[0x03, 0x40], IS_LEFT, [0x04, 0x40], NEXT, [0x0c, 1], 0x0b, 0x0b])

  it('WSM-3 are exchanged where the only one goes back to a loop, for the same fuel', () => {
    expect(goesBack).toMatchObject({ count: TURNS, isExchanged: true })
    // The same by hand: one instruction more for each time the condition is asked.
    const byHand = ran([[0x03, 0x40], IS_LEFT, 0x45, [0x04, 0x40], 0x05, NEXT, [0x0c, 1], 0x0b, 0x0b])
    expect(byHand.fuel).toBe(goesBack.fuel + BigInt(TURNS + 1))
  })

  it('WSM-3 stay where they are in any other place', () => {
    // Leaves the loop; falls through; is not in a loop.
    const leaves: Code = [[0x02, 0x40], [0x03, 0x40], IS_LEFT, 0x45, [0x04, 0x40], [0x0c, 2], 0x0b]
    for (const loop of [
      [leaves, NEXT, [0x0c, 0], 0x0b, 0x0b],
      [[0x03, 0x40], IS_LEFT, [0x04, 0x40], NEXT, 0x0b, IS_LEFT, [0x0d, 0], 0x0b],
      [i32(1), [0x04, 0x40], i32(TURNS), [0x21, 0], 0x0b],
    ]) {
      expect(ran(loop as Code)).toMatchObject({ count: TURNS, isExchanged: false })
    }
  })
})
