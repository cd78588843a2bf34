/** Runs the tests that the native workspace has itself. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WORKSPACE = fileURLToPath(new URL('../../native-sandbox/', import.meta.url))
const RUNNER = `target/release/askee-runner${process.platform === 'win32' ? '.exe' : ''}`
const WARDEN = RUNNER.replace('runner', 'warden')
const cargo = ['cargo', join(homedir(), '.cargo/bin/cargo')].find(answers)

/** Why `cargo test` cannot run here; null when it can. What was built also brought the crates. */
export function missingForCargo(): string | null {
  if (cargo === undefined) return 'cargo is not installed'
  return existsSync(join(WORKSPACE, RUNNER)) ? null : 'not built: node scripts/build-native.ts'
}

/** The same for tests that start a warden and demand the tier contained. */
export function missingForWarden(): string | null {
  const missing = missingForCargo()
  if (missing !== null) return missing
  const { stdout } = spawnSync(join(WORKSPACE, WARDEN), ['--probe'], { encoding: 'utf8' })
  return stdout.startsWith('{"tier":"contained"')
    ? null
    : `the tier contained cannot be had here: ${stdout.slice(0, 400)}`
}

export interface CargoEnd {
  readonly status: number | null
  readonly passed: number
  /** All it wrote: what failed stands there. */
  readonly text: string
}

/**
 * `cargo test` in the profile without optimising, where neither wasmtime nor its compiler is among what is built. What a test
 * needs and cannot find fails it: of a test that passes nobody reads what it said.
 */
export async function cargoTest(...args: readonly string[]): Promise<CargoEnd> {
  const child = spawn(cargo ?? '', ['test', '--locked', '--offline', ...args], {
    cwd: WORKSPACE,
    env: { ...process.env, ASKEE_TEST_EVERYTHING: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  const [status] = (await once(child, 'close')) as [number | null]
  const counts = [...text.matchAll(/^test result: \w+\. (\d+) passed/gm)].map(([, count]) => Number(count))
  return { status, passed: counts.reduce((sum, count) => sum + count, 0), text }
}

function answers(path: string): boolean {
  return spawnSync(path, ['--version'], { cwd: WORKSPACE, stdio: 'ignore' }).status === 0
}
