import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { V8_STACK_KB } from '@askee/wasm'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('v8-answers.ts', import.meta.url))

/** Flags by which V8 uses just one of its compilers for WebAssembly. */
export const V8_COMPILERS = {
  liftoff: ['--liftoff-only'],
  turbofan: ['--no-liftoff', '--no-wasm-tier-up'],
} as const

/** What V8 with these flags says of `count` seeds from `first` on, in one process; `--raw` leaves the pass out. */
export async function answersOfV8(
  flags: readonly string[],
  first: number,
  count: number,
  ...options: readonly '--raw'[]
): Promise<Map<number, string>> {
  const args = [`--stack-size=${V8_STACK_KB}`, ...flags, SCRIPT, String(first), String(count), ...options]
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 30 })
  const lines = stdout.trim().split('\n')
  return new Map(
    lines.map((line) => [Number(line.slice(0, line.indexOf(' '))), line.slice(line.indexOf(' ') + 1)]),
  )
}
