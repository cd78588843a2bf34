/**
 * Puts each program of this checkout and all that it imports into few files, which `apps/cli/bin/bundle.js` runs: Node takes
 * half a millisecond to find and link a module, and an agent has 1,650. Does nothing when nothing has changed.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { bundled, cache, freshBundle, stampOf } from '../apps/cli/bin/bundle.js'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const PROGRAMS = ['apps/cli/src/main.ts', 'apps/cli/src/simulate/faults/main.ts']
/** They find files of their own beside themselves, native ones among them. */
const APART = /^(?:better-sqlite3-multiple-ciphers|@napi-rs\/keyring|pino)$/
/** An agent that was started from an older bundle may still load a part of it. */
const KEPT = 8

if (freshBundle() === undefined) await bundle()

async function bundle(): Promise<void> {
  const sources: Record<string, string> = {}
  for (const path of ['node_modules/.package-lock.json', 'scripts/bundle.ts', ...manifests()]) {
    sources[path] = stampOf(path)
  }
  const build = await rolldown({
    input: Object.fromEntries(PROGRAMS.map((path) => [bundled(path).slice(0, -4), join(ROOT, path)])),
    platform: 'node',
    plugins: [apart(), inPlace(sources)],
    logLevel: 'warn',
  })
  const { output } = await build.generate({
    format: 'esm',
    keepNames: true,
    // Beside no manifest, Node would parse .js twice to find out what it is.
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name]-[hash].mjs',
  })
  const hash = createHash('sha256')
  for (const file of output) hash.update(file.type === 'chunk' ? file.code : file.source)
  const folder = `bundle-${hash.digest('hex').slice(0, 16)}`
  mkdirSync(join(cache, folder), { recursive: true, mode: 0o700 })
  for (const file of output) {
    write(join(cache, folder, file.fileName), file.type === 'chunk' ? file.code : file.source)
  }
  write(join(cache, 'bundle.json'), JSON.stringify({ root: ROOT, folder, sources }))
  removeOld()
}

function apart(): Plugin {
  return {
    name: 'apart',
    async resolveId(source, importer) {
      if (!APART.test(source)) return null
      const resolved = await this.resolve(source, importer, { skipSelf: true })
      return resolved === null ? null : { id: resolved.id, external: 'absolute' }
    },
  }
}

/** Leaves every module the place that it has in the checkout, and notes in `sources` those that are not dependencies. */
function inPlace(sources: Record<string, string>): Plugin {
  return {
    name: 'in place',
    load(id) {
      const path = relative(ROOT, id)
      // Before it is read: a change meanwhile makes the bundle stale, not wrong.
      if (isAbsolute(id) && !path.startsWith('node_modules')) sources[path] = stampOf(path)
      return null
    },
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null
      return code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
    },
  }
}

/** They say what a package's name stands for. */
function manifests(): string[] {
  return ['packages', 'apps'].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => `${folder}/${name}/package.json`),
  )
}

/** Whole or not at all: others may be starting. */
function write(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, content, { mode: 0o600 })
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
