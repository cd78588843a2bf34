// Programs of this checkout, each as one file with all that it imports: half the time to start and two thirds of the memory.
// `scripts/bundle.ts` makes them beside the dependencies; whatever was changed since runs from its source.
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const checkout = fileURLToPath(new URL('../../../', import.meta.url))
export const cache = fileURLToPath(new URL('../../../node_modules/.cache/askee/', import.meta.url))

/**
 * Runs a program in this process; compiled code is kept for the next time.
 * @param {string} source path of its main file in the checkout
 */
export async function run(source) {
  const folder = freshBundle()
  const compiled = folder === undefined ? cache : `${folder}/compiled`
  if (isOwnFolder(compiled)) module.enableCompileCache(compiled)
  await import(
    pathToFileURL(folder === undefined ? `${checkout}${source}` : `${folder}/${bundled(source)}`).href
  )
}

/**
 * Name of a program's file in the bundle.
 * @param {string} source
 */
export function bundled(source) {
  return `${source.replace(/\.ts$/, '').replaceAll('/', '-')}.mjs`
}

/**
 * Whether a file or folder is of this user, of the system or of who owns the checkout, and nobody else can write it: what
 * stands there is run.
 * @param {string} path
 */
function isOwn(path) {
  if (process.platform === 'win32') return true
  const { uid, mode } = statSync(path)
  const owners = [0, process.geteuid(), statSync(fileURLToPath(import.meta.url)).uid]
  return owners.includes(uid) && (mode & 0o022) === 0
}

/**
 * The same of a folder that is made when it is missing.
 * @param {string} path
 */
function isOwnFolder(path) {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return isOwn(path)
  } catch {
    // Of a checkout that this user only reads.
    return false
  }
}

/** Folder of the bundle, if it was made of the files that stand here now, and by nobody else. */
export function freshBundle() {
  try {
    const { root, folder, sources, outputs } = JSON.parse(readFileSync(`${cache}bundle.json`, 'utf8'))
    if (!isOwn(cache) || !isOwn(`${cache}bundle.json`) || !isOwn(`${cache}${folder}`)) return undefined
    // The checkout may be a copy of the one that it was made in.
    if (root !== checkout) return undefined
    const isFresh = Object.entries(sources).every(([path, stamp]) => stampOf(path) === stamp)
    // A file that a power cut left empty is a valid program, which does nothing.
    const isWhole = Object.entries(outputs).every(
      ([name, size]) =>
        isOwn(`${cache}${folder}/${name}`) && statSync(`${cache}${folder}/${name}`).size === size,
    )
    return isFresh && isWhole ? `${cache}${folder}` : undefined
  } catch {
    return undefined
  }
}

/**
 * What changes when a file does.
 * @param {string} path below the checkout
 */
export function stampOf(path) {
  const { size, mtimeMs } = statSync(`${checkout}${path}`)
  return `${size} ${mtimeMs}`
}
