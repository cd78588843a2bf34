import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const BUNDLE_JS = fileURLToPath(new URL('../bin/bundle.js', import.meta.url))

let folder: string
let checkout: string

/** A checkout with one program, bundled: its two forms say which one runs. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'askee-bundle-'))
  checkout = join(folder, 'checkout')
  mkdirSync(join(checkout, 'apps/cli/bin'), { recursive: true })
  mkdirSync(join(checkout, 'node_modules/.cache/askee/bundle-1'), { recursive: true, mode: 0o700 })
  writeFileSync(join(checkout, 'package.json'), '{"type":"module"}')
  cpSync(BUNDLE_JS, join(checkout, 'apps/cli/bin/bundle.js'))
  writeFileSync(join(checkout, 'program.ts'), "console.log('source')")
  writeFileSync(join(checkout, 'node_modules/.cache/askee/bundle-1/program.mjs'), "console.log('bundle')")
  chmodSync(join(checkout, 'node_modules/.cache/askee/bundle-1/program.mjs'), 0o600)
  note(checkout)
  chmodSync(join(checkout, 'node_modules/.cache/askee/bundle.json'), 0o600)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Writes down that the bundle was made of what stands there now. */
function note(root: string): void {
  const script = `
    import { statSync, writeFileSync } from 'node:fs'
    import { cache, stampOf } from './apps/cli/bin/bundle.js'
    const sources = { 'program.ts': stampOf('program.ts') }
    const outputs = { 'program.mjs': statSync(cache + 'bundle-1/program.mjs').size }
    writeFileSync(cache + 'bundle.json', JSON.stringify({ root: ${JSON.stringify(`${root}/`)}, folder: 'bundle-1', sources, outputs }))`
  expect(node(root, script).stderr).toBe('')
}

function node(cwd: string, script: string) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd, encoding: 'utf8' })
}

function whatRuns(root = checkout): string {
  return node(root, "await (await import('./apps/cli/bin/bundle.js')).run('program.ts')").stdout.trim()
}

describe('the bundle of the programs', () => {
  it('CLI-1 runs as long as nothing was changed, and gives way to the source then', () => {
    expect(whatRuns()).toBe('bundle')
    writeFileSync(join(checkout, 'program.ts'), "console.log('newer source')")
    expect(whatRuns()).toBe('newer source')
  })

  it('CLI-1 gives way where a power cut left a file of it empty: that would be a program which does nothing', () => {
    writeFileSync(join(checkout, 'node_modules/.cache/askee/bundle-1/program.mjs'), '')
    expect(whatRuns()).toBe('source')
  })

  it('CLI-1 gives way where a source is missing, the note is damaged, or there is none', () => {
    const cache = join(checkout, 'node_modules/.cache/askee')
    writeFileSync(join(cache, 'bundle.json'), '{"root"')
    expect(whatRuns()).toBe('source')
    rmSync(cache, { recursive: true })
    expect(whatRuns()).toBe('source')
  })

  it.skipIf(process.platform === 'win32')(
    'CLI-1 gives way where another user could have put it: neither it nor compiled code is loaded from there',
    () => {
      const cache = join(checkout, 'node_modules/.cache/askee')
      const places = ['.', 'bundle.json', 'bundle-1', 'bundle-1/program.mjs']
      for (const place of places) {
        const path = join(cache, place)
        const { mode } = statSync(path)
        for (const others of [0o002, 0o020]) {
          chmodSync(path, mode | others)
          expect([place, whatRuns()]).toEqual([place, 'source'])
          chmodSync(path, mode)
        }
        if (process.getuid?.() !== 0) continue
        chownSync(path, 12_345, 12_345)
        expect([place, whatRuns()]).toEqual([place, 'source'])
        chownSync(path, 0, 0)
      }
      expect(whatRuns()).toBe('bundle')
      chmodSync(cache, 0o777)
      rmSync(join(cache, 'bundle.json'))
      const before = readdirSync(cache)
      expect(whatRuns()).toBe('source')
      expect(readdirSync(cache)).toEqual(before)
    },
  )

  it('CLI-1 gives way in a copy of the checkout: it would load from the place it was made in', () => {
    const copy = join(folder, 'copy')
    cpSync(checkout, copy, { recursive: true, preserveTimestamps: true })
    expect(whatRuns(copy)).toBe('source')
    renameSync(checkout, join(folder, 'moved'))
    expect(whatRuns(join(folder, 'moved'))).toBe('source')
  })
})
