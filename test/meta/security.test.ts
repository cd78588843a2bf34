import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { namedTests, projectFiles } from '../../scripts/test-names.ts'

const CATEGORIES = [
  'Spoofing',
  'Tampering',
  'Repudiation',
  'Information disclosure',
  'Denial of service',
  'Elevation of privilege',
]
const UNMITIGATED = '**Not mitigated**'

interface Row {
  readonly category: string
  readonly threat: string
  /** Paths of the code, as they stand in the row. */
  readonly where: readonly string[]
  readonly tests: readonly string[]
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text as string)
}

/** The rows of the tables below "## Threats, by STRIDE", in order. */
function threats(page: string): Row[] {
  const rows: Row[] = []
  let category = ''
  const section = page.split('\n## ').find((part) => part.startsWith('Threats, by STRIDE')) ?? ''
  for (const line of section.split('\n')) {
    if (line.startsWith('### ')) category = line.slice(4)
    if (!line.startsWith('| ') || /^\| (threat|---) /.test(line)) continue
    const [threat = '', done = '', tests = '', left = '', ...more] = line.split('|').slice(1, -1)
    if (more.length > 0) throw new Error(`a row with ${more.length + 4} cells: ${line}`)
    rows.push({ category, threat: threat.trim(), where: quoted(done), tests: quoted(tests) })
    if (threat.trim() === '' || done.trim() === '' || left === '') throw new Error(`empty cells: ${line}`)
  }
  return rows
}

/** What is wrong with a page, one line each. */
function faults(page: string, titles: ReadonlySet<string>): string[] {
  return threats(page).flatMap(({ category, threat, where, tests }) => [
    ...(CATEGORIES.includes(category) ? [] : [`${threat}: in no category`]),
    ...(tests.length > 0 ? [] : [`${threat}: no test`]),
    ...(where.length > 0 ? [] : [`${threat}: says not where`]),
    ...tests.filter((name) => !titles.has(name)).map((name) => `${threat}: no test "${name}"`),
    ...where.filter((path) => !existsSync(path)).map((path) => `${threat}: no file ${path}`),
  ])
}

/** Names of all tests, as they stand in the source: of vitest with their number, of cargo as functions. */
function allTitles(): Set<string> {
  const rust = projectFiles()
    .filter((file) => /^native-sandbox\/.*\.rs$/.test(file) && existsSync(file))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/#\[test\]\s+fn (\w+)\(/g)])
    .map(([, name]) => name as string)
  return new Set([...namedTests().map(({ requirement, name }) => `${requirement} ${name}`), ...rust])
}

describe('the threats of SECURITY.md', () => {
  const page = readFileSync('SECURITY.md', 'utf8')

  it('STR each have a mitigation in the code and tests that are there', () => {
    expect(faults(page, allTitles())).toEqual([])
  })

  it('STR stand in the order of STRIDE, some for each letter, and say what is not mitigated', () => {
    const rows = threats(page)
    expect([...new Set(rows.map(({ category }) => category))]).toEqual(CATEGORIES)
    for (const category of CATEGORIES) {
      expect(rows.filter((row) => row.category === category).length, category).toBeGreaterThan(4)
    }
    expect(page.split(UNMITIGATED).length).toBeGreaterThan(5)
  })

  it('STR are found wanting when a test or a file is gone, or nothing is named', () => {
    const table = (row: string) =>
      `\n## Threats, by STRIDE\n\n### Tampering\n\n| threat | a | b | c |\n${row}\n`
    const titles = new Set(['STO-1 is there'])
    expect(faults(table('| x | `SECURITY.md` | `STO-1 is there` | |'), titles)).toEqual([])
    expect(faults(table('| x | `SECURITY.md` | `STO-1 is gone` | |'), titles)).toEqual([
      'x: no test "STO-1 is gone"',
    ])
    expect(faults(table('| x | `gone.ts` | `STO-1 is there` | |'), titles)).toEqual(['x: no file gone.ts'])
    expect(faults(table('| x | somewhere | somehow | |'), titles)).toEqual([
      'x: no test',
      'x: says not where',
    ])
  })
})
