/**
 * Everything that must hold: build, form, types, unused code, tests; with `--heavy`, and in CI (`CI=true`), also the proofs that take
 * minutes (`vitest.heavy.config.ts`). The last line counts the tests of both.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const directory = mkdtempSync(join(tmpdir(), 'askee-check-'))
const reports: string[] = []

type Step = readonly [name: string, command: string, ...args: string[]]

const BUILD: Step = ['build', 'node', 'scripts/build.ts', '--quiet']
const STEPS: readonly Step[] = [
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['unused code', 'knip', '--no-progress'],
  ['requirements page', 'node', 'scripts/requirements.ts', '--check'],
  ['tests', ...vitest()],
]
/** They stand in for a runner that was taken over; where they cannot be built, what needs them is skipped. */
const TEST_PROGRAMS: Step = [
  'test programs',
  'node',
  'scripts/build-native.ts',
  '--escape',
  '--optional',
  '--quiet',
]
const HEAVY: Step = ['heavy tests', ...vitest('--config', 'vitest.heavy.config.ts')]
const isHeavy = process.argv.includes('--heavy') || process.env.CI === 'true'
// 10,000 modules take 6 to 9 minutes of two quiet processors. A slower machine compares fewer, not below 1,000, instead of running into
// CI's limit, and the test says how many were not shown.
if (isHeavy) process.env.ASKEE_DIFFERENTIAL_MINUTES ??= '12'
const steps = isHeavy ? [BUILD, TEST_PROGRAMS, ...STEPS, HEAVY] : [BUILD, ...STEPS]

let failed = ''
for (const [name, command, ...args] of steps) {
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

function vitest(...args: readonly string[]): [command: string, ...args: string[]] {
  const report = join(directory, `tests-${reports.length}.json`)
  reports.push(report)
  return ['vitest', 'run', ...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
}

function testCounts(): { passed: number; failed: number; skipped: number } {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const path of reports) {
    const report = reportIn(path)
    if (report === null) continue
    sum.passed += report.numPassedTests ?? 0
    sum.failed += report.numFailedTests ?? 0
    sum.skipped += (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0)
  }
  return sum
}

/** Null when the tests did not come to their end. */
function reportIn(path: string): Record<string, number> | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null
  }
}
