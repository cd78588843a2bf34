import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** A test that says which requirement it proves. */
export interface NamedTest {
  readonly requirement: string
  readonly name: string
  readonly file: string
}

const TITLE = /\b(?:it|test)(?:\.\w+(?:\([^)]*\))?)*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g
const NUMBER = /^([A-Z]{3}-\d+)\b/

/** Files of the project that git tracks or would track. */
export function projectFiles(): string[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => file !== '')
}

/** All tests whose name begins with a requirement's number, acceptance suites included. */
export function namedTests(files: readonly string[] = projectFiles()): NamedTest[] {
  const found: NamedTest[] = []
  for (const file of files) {
    if (!/\.test\.ts$/.test(file) && !/\/src\/testing\/.*\.ts$/.test(file)) continue
    let source: string
    try {
      source = readFileSync(file, 'utf8')
    } catch {
      continue
    }
    for (const [, , title] of source.matchAll(TITLE)) {
      const requirement = NUMBER.exec(title ?? '')?.[1]
      if (requirement !== undefined)
        found.push({ requirement, name: (title ?? '').slice(requirement.length).trim(), file })
    }
  }
  return found
}
