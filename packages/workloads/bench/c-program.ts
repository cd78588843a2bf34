import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('./c/', import.meta.url))
/** More than any output here: 64 MiB. */
const MOST_OUTPUT = 1 << 26

export interface ProgramRun {
  readonly output: Uint8Array
  /** Processor time of the whole process, user and system, in milliseconds. */
  readonly cpuTime: number
}

/** First line of `gcc --version`, or null where there is none. */
export function findCompiler(): string | null {
  try {
    return execFileSync('gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? null
  } catch {
    return null
  }
}

/**
 * Compiles `c/<name>.c` at -O2 into `folder` and returns the program's path. Standard C and no fused multiplications
 * (`-std=c11` sees to that), so that doubles come out bit-equal.
 * @throws Error with the compiler's words
 */
export function compileProgram(name: string, folder: string): string {
  const program = join(folder, name)
  execFileSync('gcc', ['-std=c11', '-O2', '-o', program, join(FOLDER, `${name}.c`), '-lm'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return program
}

/** @throws Error when the program does not end well */
export function runProgram(program: string, input: Uint8Array): ProgramRun {
  const { status, stdout, stderr } = spawnSync(program, { input, env: {}, maxBuffer: MOST_OUTPUT })
  if (status !== 0) throw new Error(`expected ${program} to end with 0, received ${status}`)
  return { output: new Uint8Array(stdout), cpuTime: Number(stderr.toString()) / 1000 }
}
