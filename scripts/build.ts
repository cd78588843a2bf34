/**
 * Builds what is made from source and is not in the tree: the workloads' modules, the programs in few files (they start
 * without, only slower), and where Rust is at hand the native containment. Called before every command that needs it; what
 * has not changed is not built again. With `--quiet` nothing is printed but what takes long, what is left out, and failures.
 * `ASKEE_NATIVE=skip` leaves the native part as it is.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const quiet = process.argv.includes('--quiet')
buildWorkloads()
bundlePrograms()
if (process.env.ASKEE_NATIVE !== 'skip') buildNative()

function buildWorkloads(): void {
  const turbo = createRequire(import.meta.url).resolve('turbo/bin/turbo')
  const build = spawnSync(process.execPath, [turbo, 'run', 'build', '--output-logs=errors-only'], {
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
  })
  if (build.status === 0) return
  process.stderr.write(build.stdout ?? '')
  process.stderr.write(build.stderr ?? '')
  process.stderr.write('the build failed; its messages stand above\n')
  process.exit(1)
}

function bundlePrograms(): void {
  const script = fileURLToPath(new URL('bundle.ts', import.meta.url))
  const { status } = spawnSync(process.execPath, [script], { stdio: ['ignore', 2, 2] })
  if (status !== 0)
    process.stderr.write('the programs were not bundled: they run from source, and start slower\n')
}

function buildNative(): void {
  const script = fileURLToPath(new URL('build-native.ts', import.meta.url))
  // Its messages go to standard error: standard output belongs to the command that comes after.
  spawnSync(process.execPath, [script, '--optional', '--quiet'], { stdio: ['ignore', 2, 2] })
}
