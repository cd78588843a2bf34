import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { projectFiles } from '../../scripts/test-names.ts'

/** The house of docs/architecture.md: a package imports only from floors below its own. */
const FLOORS: Readonly<Record<string, number>> = {
  core: 0,
  keys: 1,
  wasm: 1,
  store: 2,
  network: 2,
  sandbox: 2,
  audit: 3,
  consent: 4,
  compute: 7,
  client: 8,
  workloads: 1,
  agent: 9,
  cli: 9,
}
/** Programs may be built from each other: the command line starts the agent. */
const APPS = new Set(['agent', 'cli'])

// Single quotes, as the formatter writes them: text modules inside tests say import "askee" too.
const IMPORT = /(?:from|import)\s*\(?\s*'(@askee\/[\w-]+|askee)(\/[\w/.-]+)?'/g

const sources = projectFiles().filter((file) => /^(packages|apps)\/[\w-]+\/src\/.*\.ts$/.test(file))

function packageOf(file: string): string {
  return file.split('/')[1] as string
}

describe('the house', () => {
  it('has a floor for every package', () => {
    expect([...new Set(sources.map(packageOf))].filter((name) => !(name in FLOORS))).toEqual([])
  })

  it('imports only from floors below', () => {
    const upward: string[] = []
    for (const file of sources) {
      const own = packageOf(file)
      for (const [, name] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
        const other = (name as string).replace('@askee/', '').replace(/^askee$/, 'cli')
        if (other === own || (APPS.has(own) && APPS.has(other))) continue
        if (!((FLOORS[other] ?? 99) < (FLOORS[own] ?? -1))) upward.push(`${file} imports ${name}`)
      }
    }
    expect(upward).toEqual([])
  })

  it('declares what it imports', () => {
    const missing = new Set<string>()
    for (const file of sources) {
      const folder = file.split('/').slice(0, 2).join('/')
      const manifest = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
      for (const [, name] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
        if (manifest.name !== name && manifest.dependencies?.[name as string] === undefined)
          missing.add(`${folder}: ${name}`)
      }
    }
    expect([...missing]).toEqual([])
  })

  it('reaches into no package but through its exports', () => {
    const deep = sources.filter((file) =>
      /from\s+['"](\.\.\/)+(packages|apps)\//.test(readFileSync(file, 'utf8')),
    )
    expect(deep).toEqual([])
  })
})
