/**
 * `npm run test:escape [-- --json] [--full] [--optional] [--only 19,20]`: the escape suite. Exit code 0 when every attempt
 * that can be made here was stopped, also without seccomp where that is a run of its own, and every control shows that it could have succeeded.
 */
import { parseArgs } from 'node:util'
import { runSuite, summarize } from './suite.ts'
import { formatRows } from './table.ts'
import { missingPrograms } from './warden.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    optional: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})

// So that what must be removed at the end is.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const missing = missingPrograms()
if (missing !== null) {
  if (values.json)
    console.log(
      JSON.stringify({
        attempts: [],
        passed: 0,
        failed: 0,
        notRun: 50,
        alsoWithoutSeccomp: 0,
        reason: missing,
      }),
    )
  else console.error(`The escape suite cannot run: ${missing}.`)
  process.exit(values.optional ? 0 : 1)
}

const start = performance.now()
const only = values.only?.split(',').map(Number)
const rows = await runSuite({
  thorough: values.full ? 'full' : 'default',
  ...(only === undefined ? {} : { only }),
  onRow: ({ number, name, verdict }) => process.stderr.write(`${number} ${name}: ${verdict}\n`),
})
const summary = summarize(rows)
const seconds = Math.round((performance.now() - start) / 1000)
if (values.json) {
  console.log(JSON.stringify({ ...summary, seconds }))
} else {
  console.log(formatRows(summary.attempts))
  console.log(
    `\n${summary.passed} held (${summary.alsoWithoutSeccomp} of them also without seccomp, to the others it does not apply), ${summary.failed} failed, ${summary.notRun} not run here, of ${rows.length}; ${seconds} s`,
  )
}
process.exit(summary.failed === 0 ? 0 : 1)
