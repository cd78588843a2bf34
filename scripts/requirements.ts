/**
 * Writes docs/requirements.md: every requirement with the tests that prove it, read from the tests' names. Ends with an
 * error when a test names a number that does not exist. `--check` only compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { namedTests } from './test-names.ts'

const PAGE = 'docs/requirements.md'
const titles: Record<string, string> = JSON.parse(readFileSync('docs/requirements.json', 'utf8'))
const tests = namedTests()

const unknown = tests.filter((test) => !(test.requirement in titles))
for (const test of unknown)
  process.stderr.write(`${test.file}: no requirement ${test.requirement} ("${test.name}")\n`)
if (unknown.length > 0) process.exit(1)

const lines = [
  '# Requirements and the tests that prove them',
  '',
  'Written by `npm run requirements` from the names of the tests; do not edit. A requirement without tests is not done;',
  'one with tests is proven as far as these tests go.',
  '',
]
for (const [number, title] of Object.entries(titles)) {
  const own = tests.filter((test) => test.requirement === number)
  lines.push(`## ${number}: ${title}`, '')
  if (own.length === 0) lines.push('Not here yet.', '')
  else lines.push(...own.map((test) => `- ${test.name.replaceAll('\\', '')} (\`${test.file}\`)`), '')
}
const page = `${lines.join('\n').trimEnd()}\n`

if (process.argv.includes('--check')) {
  if (readFileSync(PAGE, 'utf8') !== page) {
    process.stderr.write(`${PAGE} is out of date: run npm run requirements\n`)
    process.exit(1)
  }
} else {
  writeFileSync(PAGE, page)
  const proven = new Set(tests.map((test) => test.requirement)).size
  process.stderr.write(`${PAGE}: ${tests.length} tests prove something of ${proven} requirements\n`)
}
