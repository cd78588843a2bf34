import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { namedTests, projectFiles } from '../../scripts/test-names.ts'

const MAX_LINES = 500

const files = projectFiles().filter((file) => existsSync(file))
const code = files.filter((file) => /\.(ts|tsx|rs|js|mjs)$/.test(file))
const packageSources = code.filter(
  (file) => /^packages\/[\w-]+\/src\//.test(file) && !/\/src\/testing\//.test(file),
)

/** The code of a file without its comments: a word in a comment calls nothing. */
function withoutComments(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
}

describe('the form of the code', () => {
  it('takes time, entropy and timers through ports outside the adapters of core', () => {
    const forbidden =
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\brandomBytes\b|\brandomInt\b|\brandomFill\w*\b|\bhrtime\b|\brandomUUID\b|\bgetRandomValues\b|\bset(?:Timeout|Interval|Immediate)\(|\bAbortSignal\.timeout\(|node:timers/
    const offenders = packageSources
      .filter((file) => !file.startsWith('packages/core/src/adapters/'))
      .filter((file) => forbidden.test(withoutComments(file)))
    expect(offenders).toEqual([])
  })

  it('keeps machines pure: no await, no ports, no node modules', () => {
    const machines = packageSources.filter((file) => file.endsWith('machine.ts'))
    expect(machines.length).toBeGreaterThan(1)
    const offenders = machines.filter((file) => /\bawait\b|\basync\b|from 'node:/.test(withoutComments(file)))
    expect(offenders).toEqual([])
  })

  it(`has no file over ${MAX_LINES} lines`, () => {
    const long = code.filter((file) => readFileSync(file, 'utf8').split('\n').length > MAX_LINES)
    expect(long).toEqual([])
  })

  it('names only requirements that exist', () => {
    const titles = JSON.parse(readFileSync('docs/requirements.json', 'utf8'))
    expect(namedTests().filter((test) => !(test.requirement in titles))).toEqual([])
  })

  it('has a README in every package and a floor in the architecture page', () => {
    const folders = new Set(packageSources.map((file) => file.split('/').slice(0, 2).join('/')))
    expect([...folders].filter((folder) => !existsSync(`${folder}/README.md`))).toEqual([])
    const architecture = readFileSync('docs/architecture.md', 'utf8')
    expect([...folders].filter((folder) => !architecture.includes(`\`${folder.split('/')[1]}\``))).toEqual([])
  })

  it('gives the version of the root package everywhere', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(readFileSync('apps/agent/src/version.ts', 'utf8')).toContain(`'${version}'`)
    expect(readFileSync('packages/sandbox/src/native/shipped.ts', 'utf8')).toContain(`'${version}'`)
    expect(readFileSync('native-sandbox/Cargo.toml', 'utf8')).toContain(`version = "${version}"`)
    const others = files.filter((file) =>
      /^(packages|apps|installers\/npm)\/[\w-]+\/package\.json$/.test(file),
    )
    expect(others.filter((file) => JSON.parse(readFileSync(file, 'utf8')).version !== version)).toEqual([])
  })

  it('pins every dependency to one version and carries no download address', () => {
    const manifests = files.filter((file) => /(^|\/)package\.json$/.test(file))
    const loose: string[] = []
    for (const file of manifests) {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'))
      for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
        if (!/^\d+\.\d+\.\d+$/.test(range as string)) loose.push(`${file}: ${name} ${range}`)
      }
    }
    expect(loose).toEqual([])
    expect(readFileSync('package-lock.json', 'utf8')).not.toContain('"resolved": "http')
  })
})
