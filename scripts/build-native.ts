/**
 * Builds warden and runner from native-sandbox/ into native-sandbox/target/release, where the agent looks for them.
 * - `--optional`: where cargo, the crates or a C library for static linking are missing, says so and exits with 0;
 * - `--escape`: builds the test programs of the escape suite as well, into native-sandbox/target/escape/release;
 * - `--quiet`: prints nothing but what is missing, and cargo's own progress when nothing was built before: that takes minutes.
 * Without it, everything still works on the portable executor, at a lower containment tier.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WORKSPACE = fileURLToPath(new URL('../native-sandbox/', import.meta.url))
const flags = new Set(process.argv.slice(2))
const SUFFIX = process.platform === 'win32' ? '.exe' : ''
const isFirst = !existsSync(join(WORKSPACE, `target/release/askee-runner${SUFFIX}`))
/** The runner starts in an empty root, where there is no library to load. */
const STATIC = process.platform === 'linux' ? ['--', '-C', 'target-feature=+crt-static'] : []

const HOW = ['rustc', '--release', '--locked', '--offline']

const cargo = findCargo()
if (cargo === null) leaveOut('cargo is not installed (https://rustup.rs)')
if (isFirst) {
  process.stderr.write(
    'building native containment with cargo: once, some minutes (ASKEE_NATIVE=skip leaves it out)\n',
  )
}
run('the crates could not be fetched', ['fetch', '--locked'])
build('askee-warden')
build('askee-runner')
// Seals V8's runner from inside Node, which is linked dynamically and holds on Linux only.
if (process.platform === 'linux')
  run('askee-seal could not be built', [...HOW, '--package', 'askee-seal', '--lib'])
if (flags.has('--escape')) {
  build('askee-warden', '--features', 'escape', '--target-dir', 'target/escape')
  build('askee-escape', '--target-dir', 'target/escape')
}
tell(`built ${join(WORKSPACE, 'target/release')}: askee-warden, askee-runner`)

function findCargo(): string | null {
  const name = `cargo${SUFFIX}`
  return [name, join(homedir(), '.cargo/bin', name)].find(answers) ?? null
}

function answers(path: string): boolean {
  if (path.includes('/') && !existsSync(path)) return false
  return spawnSync(path, ['--version'], { cwd: WORKSPACE, stdio: 'ignore' }).status === 0
}

function build(name: string, ...options: string[]): void {
  run(`${name} could not be built`, [...HOW, '--package', name, '--bin', name, ...options, ...STATIC])
}

function run(failure: string, args: string[]): void {
  const result = spawnSync(cargo ?? '', args, {
    cwd: WORKSPACE,
    encoding: 'utf8',
    stdio: ['ignore', 'inherit', flags.has('--quiet') && !isFirst ? 'pipe' : 'inherit'],
  })
  if (result.status === 0) return
  process.stderr.write(result.stderr ?? '')
  leaveOut(`${failure} (cargo ${args.slice(0, 2).join(' ')})`)
}

function leaveOut(reason: string): never {
  process.stderr.write(
    `native containment is left out: ${reason}.\n` +
      'Tasks run on the portable executor (tier "process"). Consents that demand "contained" are not served here.\n',
  )
  process.exit(flags.has('--optional') ? 0 : 1)
}

function tell(text: string): void {
  if (!flags.has('--quiet')) process.stderr.write(`${text}\n`)
}
