/**
 * Puts each program of this checkout and all that it imports into few files, which `apps/cli/bin/bundle.js` runs: Node takes
 * half a millisecond to find and link a module, and an agent has 1,650. Does nothing when nothing has changed.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundled, cache, freshBundle, stampOf } from '../apps/cli/bin/bundle.js'
import { bundlePrograms } from './bundling.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const PROGRAMS = ['apps/cli/src/main.ts', 'apps/cli/src/simulate/faults/main.ts']
/** An agent that was started from an older bundle may still load a part of it. */
const KEPT = 8

if (freshBundle() === undefined) await bundle()

async function bundle(): Promise<void> {
  const sources: Record<string, string> = {}
  // Before a file is read: a change meanwhile makes the bundle stale, not wrong.
  const note = (path: string): void => {
    sources[path] = stampOf(path)
  }
  for (const path of ['node_modules/.package-lock.json', ...ownScripts(), ...manifests()]) note(path)
  const programs = Object.fromEntries(PROGRAMS.map((path) => [bundled(path).replace(/\.mjs$/, ''), path]))
  const output = await bundlePrograms(programs, note)
  const hash = createHash('sha256')
  for (const file of output) hash.update(file.type === 'chunk' ? file.code : file.source)
  const folder = `bundle-${hash.digest('hex').slice(0, 16)}`
  mkdirSync(join(cache, folder), { recursive: true, mode: 0o700 })
  const outputs: Record<string, number> = {}
  for (const file of output) {
    const content = file.type === 'chunk' ? file.code : file.source
    outputs[file.fileName] = Buffer.byteLength(content)
    write(join(cache, folder, file.fileName), content)
  }
  write(join(cache, 'bundle.json'), JSON.stringify({ root: ROOT, folder, sources, outputs }))
  removeOld()
}

function ownScripts(): string[] {
  return ['scripts/bundle.ts', 'scripts/bundling.ts', 'apps/cli/bin/bundle.js']
}

/** They say what a package's name stands for. */
function manifests(): string[] {
  return ['packages', 'apps']
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}/package.json`))
    .filter((path) => existsSync(join(ROOT, path)))
}

/** Whole or not at all, also after a power cut: others may be starting. */
function write(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`
  rmSync(temporary, { force: true })
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

function removeOld(): void {
  readdirSync(cache)
    .filter((name) => name.startsWith('bundle-'))
    .map((name) => ({ path: join(cache, name), at: statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at)
    .slice(KEPT)
    .forEach(({ path }) => {
      rmSync(path, { recursive: true, force: true })
    })
}
