// Programs of this checkout, each as one file with all that it imports: half the time to start and two thirds of the memory.
// `scripts/bundle.ts` makes them beside the dependencies; whatever was changed since runs from its source.
import { readFileSync, statSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const checkout = fileURLToPath(new URL('../../../', import.meta.url))
/** Never a folder that others can write. */
export const cache = fileURLToPath(new URL('../../../node_modules/.cache/askee/', import.meta.url))

/**
 * Runs a program in this process; compiled code is kept for the next time.
 * @param {string} source path of its main file in the checkout
 */
export async function run(source) {
  const folder = freshBundle()
  module.enableCompileCache(folder === undefined ? cache : `${folder}/compiled`)
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

/** Folder of the bundle, if it was made of the files that stand here now. */
export function freshBundle() {
  try {
    const { root, folder, sources, outputs } = JSON.parse(readFileSync(`${cache}bundle.json`, 'utf8'))
    // The checkout may be a copy of the one that it was made in.
    if (root !== checkout) return undefined
    const isFresh = Object.entries(sources).every(([path, stamp]) => stampOf(path) === stamp)
    // A file that a power cut left empty is a valid program, which does nothing.
    const isWhole = Object.entries(outputs).every(
      ([name, size]) => statSync(`${cache}${folder}/${name}`).size === size,
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
