import { instrument } from '@askee/wasm'
import wabtModule from 'wabt'

const FEATURES = { bulk_memory: true, simd: true, mutable_globals: true, multi_value: true }

/** Binary of a module in WebAssembly text. */
export async function wat(text: string): Promise<Uint8Array> {
  const wabt = await wabtModule()
  const parsed = wabt.parseWat('task.wat', text, FEATURES)
  try {
    return parsed.toBinary({}).buffer
  } finally {
    parsed.destroy()
  }
}

export interface TaskText {
  /** Pages of memory: least and most. */
  readonly pages?: readonly [number, number]
  /** Types, functions, tables and more, in text. */
  readonly body: string
}

const IMPORTS = `
    (import "askee" "input_size" (func $input_size (result i32)))
    (import "askee" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "askee" "output_write" (func $output_write (param i32 i32)))
    (import "askee" "log" (func $log (param i32 i32)))`

/** A module with the interface of tasks, through the determinism pass: what executors get. */
export async function task({ pages = [1, 4], body }: TaskText): Promise<Uint8Array> {
  const plain = await wat(`(module ${IMPORTS} (memory (export "memory") ${pages[0]} ${pages[1]}) ${body})`)
  return instrument(plain).bytes
}

/**
 * A module as the pass would put it out, but whose counters do not count by themselves: `$burn` (i64) takes fuel, and
 * `$fuel` and `$stack` can be set to anything. For what a module from the pass never does, or does at a cost of its own.
 */
export function countedTask(instructions: string, rest = ''): Promise<Uint8Array> {
  return wat(`(module ${IMPORTS} (memory (export "memory") 1 4)
    (global $fuel (export "askee_fuel") (mut i64) (i64.const 0))
    (global $stack (export "askee_stack") (mut i32) (i32.const 1000))
    (func $burn (param i64)
      (global.set $fuel (i64.sub (global.get $fuel) (local.get 0)))
      (if (i64.lt_s (global.get $fuel) (i64.const 0)) (then unreachable)))
    ${rest} (func (export "run") ${instructions}))`)
}

/** A task whose `run` is `instructions`. */
export function runTask(instructions: string, rest = ''): Promise<Uint8Array> {
  return task({ body: `${rest} (func (export "run") ${instructions})` })
}
