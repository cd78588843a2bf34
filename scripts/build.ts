/**
 * Builds what is made from source and is not in the tree (the workloads' modules). Called before every command that
 * needs it; turbo skips what has not changed. With `--quiet` nothing is printed unless the build fails.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const quiet = process.argv.includes('--quiet')
const turbo = createRequire(import.meta.url).resolve('turbo/bin/turbo')
const build = spawnSync(process.execPath, [turbo, 'run', 'build', '--output-logs=errors-only'], {
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
})
if (build.status !== 0) {
  process.stderr.write(build.stdout ?? '')
  process.stderr.write(build.stderr ?? '')
  process.stderr.write('the build failed; its messages stand above\n')
  process.exit(1)
}
