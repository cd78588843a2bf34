/**
 * The four functions that a task may import. There is nothing else: no clock, no entropy, no files, no network.
 * Pointers are offsets into the task's own memory; a range that does not lie inside it traps.
 */

/** Bytes of the input. */
// @ts-ignore: decorator
@external('askee', 'input_size')
export declare function inputSize(): i32

/** Copies up to `len` bytes of the input from `offset` on to `dst`; returns how many were copied. */
// @ts-ignore: decorator
@external('askee', 'input_read')
export declare function inputRead(dst: usize, offset: i32, len: i32): i32

/** Appends `len` bytes at `src` to the output. Output past the task's limit ends the task with a trap. */
// @ts-ignore: decorator
@external('askee', 'output_write')
export declare function outputWrite(src: usize, len: i32): void

/** One line for the log of whoever runs the task. Never part of the result. */
// @ts-ignore: decorator
@external('askee', 'log')
export declare function logWrite(src: usize, len: i32): void
