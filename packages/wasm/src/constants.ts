/** Version of the pass: part of every result digest. */
export const PASS_VERSION = 1

/** Remaining fuel (i64). Below zero when execution ends for whatever reason: the trap is `out-of-fuel`. */
export const FUEL_GLOBAL = 'askee_fuel'
/** Remaining accounting bytes of stack (i32). Below zero when execution ends: `stack-overflow`. */
export const STACK_GLOBAL = 'askee_stack'
/** Value of `askee_stack` after a memory.grow that the host refused: a fault of the node, no answer of the task. */
export const HOST_SHORTAGE = -2_147_483_648

/** Stepwise tasks: count of 64-bit words of state besides memory and fuel (immutable i32 global). */
export const STATE_WORDS_GLOBAL = 'askee_state_words'
/** `(index i32) -> i64`: one word of that state, bit for bit. */
export const STATE_GET = 'askee_state_get'
/** `(index i32, word i64)`: sets it. */
export const STATE_SET = 'askee_state_set'

/**
 * Accounting bytes of stack a task starts with. A frame is accounted at no less than what V8's baseline compiler
 * takes for it, so that the whole fits V8's default of 984 KiB with room for the host.
 */
export const STACK_BUDGET = 512 * 1024
/** Fixed part of a frame: return address, saved registers, spilled bookkeeping. */
export const STACK_FRAME_BYTES = 64
/** A function that calls nothing and needs no more than this is not accounted. */
export const STACK_LEAF_BYTES = 1024
/** `--stack-size` for V8, in KiB: four times what the accounting lets a task use at most. */
export const V8_STACK_KB = 1968
