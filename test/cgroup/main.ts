/**
 * `npm run test:cgroup [-- --json] [--verbose] [--only NAME]`: boots a Debian kernel that has cgroup controllers, without KVM, and measures
 * whether the limits that the warden writes really limit. Exit code 0 when all do, or where it cannot be done (the reason is told).
 */
import { parseArgs } from 'node:util'
import { NotHere } from './machine.ts'
import { measureCgroups } from './measure.ts'
import { formatMeasured } from './table.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
})

// So that what must be removed at the end is.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  const run = await measureCgroups(
    'installs',
    (line) => {
      if (values.verbose || line.startsWith('@@ ')) process.stderr.write(`${line}\n`)
    },
    values.only,
  )
  const failed = run.results.filter(({ holds }) => !holds).length
  const isWell = run.isComplete && failed === 0 && run.results.length > 0
  if (values.json) console.log(JSON.stringify({ ...run, failed }))
  else console.log(formatMeasured(run))
  process.exitCode = isWell ? 0 : 1
} catch (error) {
  if (!(error instanceof NotHere)) throw error
  if (values.json) console.log(JSON.stringify({ results: [], failed: 0, skipped: error.message }))
  else console.log(`Skipped: ${error.message}.`)
}
