import type { Fuel } from '@askee/core'
import type { TrapCode } from '@askee/wasm'
import { countedTask, runTask } from './wat.ts'

export interface TrapCase {
  readonly name: string
  readonly trap: TrapCode
  readonly module: () => Promise<Uint8Array>
  /** Default: more than any case needs. */
  readonly fuel?: Fuel
}

const TABLE = `
  (type $nothing (func)) (type $number (func (result i32)))
  (func $number_seven (type $number) (i32.const 7))
  (table 4 funcref) (elem (i32.const 0) $number_seven)`

const instructions = (name: string, trap: TrapCode, text: string, rest = ''): TrapCase => ({
  name,
  trap,
  module: () => runTask(text, rest),
})

/** Admission refuses these; an executor must still not take them for anything else. */
const atStart = (name: string, trap: TrapCode, text: string, rest: string): TrapCase => ({
  name,
  trap,
  module: () => countedTask(text, rest),
})

/** Every way to end by a trap that the admitted features have, with the code that every engine must give it. */
export const TRAP_CASES: readonly TrapCase[] = [
  instructions('unreachable', 'unreachable', 'unreachable'),
  instructions('a load past the memory', 'memory-out-of-bounds', '(drop (i32.load (i32.const 65533)))'),
  instructions(
    'a load near 4 GiB',
    'memory-out-of-bounds',
    '(drop (i64.load offset=4294967295 (i32.const -1)))',
  ),
  instructions('a store past the memory', 'memory-out-of-bounds', '(i64.store (i32.const -8) (i64.const 1))'),
  instructions(
    'a vector load past the memory',
    'memory-out-of-bounds',
    '(drop (v128.load (i32.const 65530)))',
  ),
  instructions(
    'memory.fill past the memory',
    'memory-out-of-bounds',
    '(memory.fill (i32.const 65535) (i32.const 1) (i32.const 2))',
  ),
  instructions(
    'memory.copy past the memory',
    'memory-out-of-bounds',
    '(memory.copy (i32.const 0) (i32.const 65535) (i32.const 2))',
  ),
  instructions(
    'memory.init past its segment',
    'memory-out-of-bounds',
    '(memory.init $bytes (i32.const 0) (i32.const 1) (i32.const 3))',
    '(data $bytes "abc")',
  ),
  atStart(
    'an active data segment past the memory',
    'memory-out-of-bounds',
    '',
    '(data (i32.const 65535) "ab")',
  ),
  instructions(
    'input_read past the memory',
    'memory-out-of-bounds',
    '(drop (call $input_read (i32.const 65536) (i32.const 0) (i32.const 1)))',
  ),
  instructions(
    'output_write whose end is past 2^32',
    'memory-out-of-bounds',
    '(call $output_write (i32.const 16) (i32.const -1))',
  ),
  instructions('log at 4 GiB', 'memory-out-of-bounds', '(call $log (i32.const -1) (i32.const 1))'),
  instructions(
    'call_indirect past the table',
    'table-out-of-bounds',
    '(call_indirect (type $nothing) (i32.const 4))',
    TABLE,
  ),
  instructions(
    'table.init past the table',
    'table-out-of-bounds',
    '(table.init $more (i32.const 4) (i32.const 0) (i32.const 1))',
    `${TABLE} (elem $more func $number_seven)`,
  ),
  instructions(
    'table.copy past the table',
    'table-out-of-bounds',
    '(table.copy (i32.const 3) (i32.const 0) (i32.const 2))',
    TABLE,
  ),
  atStart(
    'an active element segment past the table',
    'table-out-of-bounds',
    '',
    `${TABLE} (elem (i32.const 4) $number_seven)`,
  ),
  instructions(
    'call_indirect of an empty place',
    'indirect-call-mismatch',
    '(call_indirect (type $nothing) (i32.const 1))',
    TABLE,
  ),
  instructions(
    'call_indirect with another type',
    'indirect-call-mismatch',
    '(call_indirect (type $nothing) (i32.const 0))',
    TABLE,
  ),
  instructions(
    'division by zero',
    'divide-by-zero',
    '(drop (i32.div_s (i32.const 1) (i32.load (i32.const 0))))',
  ),
  instructions(
    '64-bit unsigned division by zero',
    'divide-by-zero',
    '(drop (i64.div_u (i64.const 1) (i64.load (i32.const 0))))',
  ),
  instructions(
    'remainder by zero',
    'divide-by-zero',
    '(drop (i32.rem_u (i32.const 1) (i32.load (i32.const 0))))',
  ),
  instructions(
    'the least integer by minus one',
    'integer-overflow',
    '(drop (i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 0)) (i32.const 1))))',
  ),
  instructions(
    'the least 64-bit integer by minus one',
    'integer-overflow',
    '(drop (i64.div_s (i64.const 0x8000000000000000) (i64.sub (i64.load (i32.const 0)) (i64.const 1))))',
  ),
  instructions('NaN to integer', 'invalid-conversion', '(drop (i32.trunc_f32_s (f32.const nan)))'),
  instructions(
    'a float too large for an integer',
    'invalid-conversion',
    '(drop (i64.trunc_f64_u (f64.const 1e300)))',
  ),
  instructions(
    'no stack left',
    'stack-overflow',
    '(call $deeper)',
    '(func $deeper (call $deeper) (call $deeper))',
  ),
  { ...instructions('no fuel left', 'out-of-fuel', '(loop $again (br $again))'), fuel: 1_000_000n as Fuel },
  instructions(
    'one byte of output too many',
    'output-too-large',
    '(call $output_write (i32.const 0) (i32.const 2049))',
  ),
]
