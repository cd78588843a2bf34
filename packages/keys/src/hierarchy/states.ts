/** The life of a key (after NIST SP 800-57 part 1, section 7; `grace` is its "deactivated, still processing"). */
export type KeyState = 'pre-active' | 'active' | 'grace' | 'retired' | 'compromised' | 'destroyed'

/** Every change of state there is, by number. What is not here never happens. */
export const TRANSITIONS = {
  /** Its time came. */
  1: ['pre-active', 'active'],
  /** Its time is over, or a newer key took its place. */
  2: ['active', 'grace'],
  /** What was under way has arrived. */
  3: ['grace', 'retired'],
  4: ['pre-active', 'compromised'],
  5: ['active', 'compromised'],
  6: ['grace', 'compromised'],
  /** Its secret was not destroyed yet when the chain was given up. */
  7: ['retired', 'compromised'],
  /** The secret is gone from this machine. */
  8: ['retired', 'destroyed'],
  9: ['compromised', 'destroyed'],
} as const satisfies Record<number, readonly [KeyState, KeyState]>

/** The number of a change, or undefined when there is no such change. */
export function transitionNumber(from: KeyState, to: KeyState): number | undefined {
  const found = Object.entries(TRANSITIONS).find(([, [a, b]]) => a === from && b === to)
  return found === undefined ? undefined : Number(found[0])
}

/** States in which a key still opens what was sealed to it. Others' clocks may be ahead, so also before its time. */
export function isOpenable(state: KeyState): boolean {
  return state === 'pre-active' || state === 'active' || state === 'grace'
}
