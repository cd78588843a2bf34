import { FUEL_GLOBAL, HOST_SHORTAGE, STACK_GLOBAL } from '../constants.ts'
import type { TrapCode } from '../trap.ts'
import { ENGINE, type EngineExports, type EngineGlobal, type EngineMemory } from './engine.ts'

/** Traps of V8 by a part of their text. */
const TRAPS: readonly (readonly [string, TrapCode])[] = [
  ['unreachable', 'unreachable'],
  ['memory access out of bounds', 'memory-out-of-bounds'],
  ['data segment out of bounds', 'memory-out-of-bounds'],
  ['element segment out of bounds', 'table-out-of-bounds'],
  ['table index is out of bounds', 'table-out-of-bounds'],
  ['table access out of bounds', 'table-out-of-bounds'],
  ['null function or function signature mismatch', 'indirect-call-mismatch'],
  ['divide by zero', 'divide-by-zero'],
  ['remainder by zero', 'divide-by-zero'],
  ['divide result unrepresentable', 'integer-overflow'],
  ['float unrepresentable in integer range', 'invalid-conversion'],
]

class OutputTooLarge extends Error {}

export interface RunResult {
  readonly output: Uint8Array
  readonly trap: TrapCode | 'host-shortage' | null
  /** Fuel used; −1 for a module without the pass. */
  readonly fuel: bigint
  readonly memory: Uint8Array
  /** Exported globals by name, NaN as it is. */
  readonly globals: Readonly<Record<string, number | bigint>>
}

/**
 * Runs a module in this process, instrumented or not, by the rules of docs/determinism.md. For tests of trusted
 * modules only: nothing here contains anything.
 * @throws Error when the engine itself fails, exhausted native stack among that
 */
export function runInV8(
  bytes: Uint8Array,
  options: { entry?: string; input?: Uint8Array; fuel?: bigint; outputBytes?: number } = {},
): RunResult {
  const { entry = 'run', input = new Uint8Array(0), fuel = 10_000_000n, outputBytes = 65_536 } = options
  const module = new ENGINE.Module(bytes)
  const output: number[] = []
  let memory: EngineMemory | null = null
  const span = (at: number, length: number): Uint8Array => {
    const all = new Uint8Array((memory as EngineMemory).buffer)
    if ((at >>> 0) + (length >>> 0) > all.byteLength)
      throw new ENGINE.RuntimeError('memory access out of bounds')
    return all.subarray(at >>> 0, (at >>> 0) + (length >>> 0))
  }
  const askee = {
    input_size: () => input.byteLength,
    input_read(target: number, offset: number, length: number): number {
      const part = input.subarray(Math.min(offset >>> 0, input.byteLength))
      const place = span(target, length)
      const count = Math.min(part.byteLength, place.byteLength)
      place.set(part.subarray(0, count))
      return count
    },
    output_write(at: number, length: number): void {
      const part = span(at, length)
      if (output.length + part.byteLength > outputBytes) throw new OutputTooLarge()
      for (const byte of part) output.push(byte)
    },
    log(at: number, length: number): void {
      span(at, length)
    },
  }
  const instance = new ENGINE.Instance(module, { askee })
  const exported = instance.exports
  memory = (exported.memory as EngineMemory | undefined) ?? null
  const left = exported[FUEL_GLOBAL] as EngineGlobal | undefined
  const stack = exported[STACK_GLOBAL] as EngineGlobal | undefined
  if (left !== undefined) left.value = fuel
  let trap: TrapCode | 'host-shortage' | null = null
  try {
    const main = exported[entry] as () => unknown
    if (entry === 'step') while (main() !== 0);
    else main()
  } catch (error) {
    trap = trapOf(error)
  }
  if (stack !== undefined && (stack.value as number) < 0) trap = 'stack-overflow'
  if (left !== undefined && (left.value as bigint) < 0n) trap = 'out-of-fuel'
  if (stack?.value === HOST_SHORTAGE) trap = 'host-shortage'
  const used = left === undefined ? -1n : trap === 'out-of-fuel' ? fuel : fuel - (left.value as bigint)
  return {
    output: Uint8Array.from(output),
    trap,
    fuel: used,
    memory: memory === null ? new Uint8Array(0) : new Uint8Array(memory.buffer),
    globals: numbers(exported),
  }
}

function trapOf(error: unknown): TrapCode {
  if (error instanceof OutputTooLarge) return 'output-too-large'
  if (error instanceof ENGINE.RuntimeError) {
    const found = TRAPS.find(([text]) => error.message.includes(text))
    if (found !== undefined) return found[1]
  }
  throw error
}

function numbers(exported: EngineExports): Record<string, number | bigint> {
  const out: Record<string, number | bigint> = {}
  for (const [name, value] of Object.entries(exported)) {
    if (value instanceof ENGINE.Global && !name.startsWith('askee_')) out[name] = value.value
  }
  return out
}
