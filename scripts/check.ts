/**
 * Everything that must hold: build, form, types, unused code, tests. The README's test command and CI run just this.
 * The last line counts the tests.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const directory = mkdtempSync(join(tmpdir(), 'askee-check-'))
const counts = join(directory, 'tests.json')

const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['build', 'node', 'scripts/build.ts', '--quiet'],
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['unused code', 'knip', '--no-progress'],
  ['requirements page', 'node', 'scripts/requirements.ts', '--check'],
  ['tests', 'vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${counts}`],
]

let failed = ''
for (const [name, command, ...args] of STEPS) {
  const begun = performance.now()
  process.stdout.write(`── ${name}\n`)
  const { status } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  process.stdout.write(
    `   ${status === 0 ? 'ok' : 'FAILED'} in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`,
  )
  if (status !== 0) {
    failed = name
    break
  }
}

const tests = testCounts()
rmSync(directory, { recursive: true })
if (failed !== '') process.stdout.write(`\n${failed} failed\n`)
process.stdout.write(`\nTests: ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped\n`)
process.exit(failed === '' && tests.passed > 0 ? 0 : 1)

function testCounts(): { passed: number; failed: number; skipped: number } {
  try {
    const report = JSON.parse(readFileSync(counts, 'utf8'))
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests + report.numTodoTests,
    }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}
