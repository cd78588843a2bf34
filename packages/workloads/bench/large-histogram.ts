import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { main as compile } from 'assemblyscript/asc'

const SOURCE = fileURLToPath(new URL('../assembly/word-histogram.ts', import.meta.url))
const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const LARGEST_TEXT = 'const LARGEST_TEXT = 1 << 17'
const PAGES = 1024

/** What the module below declares. */
export const HISTOGRAM_MEMORY_BYTES = PAGES * 65_536

/**
 * The word histogram for texts up to 32 MiB. The one of the workload takes 128 KiB, less than a millisecond of work, of
 * which nothing could be seen beside the start of a process. Nothing but the two limits differs.
 * @throws Error when the source no longer states its limit in the words expected, or does not compile
 */
export async function largeHistogramModule(): Promise<Uint8Array> {
  const source = readFileSync(SOURCE, 'utf8')
  if (!source.includes(LARGEST_TEXT)) throw new Error(`expected "${LARGEST_TEXT}" in ${SOURCE}`)
  const enlarged = source.replace(LARGEST_TEXT, 'const LARGEST_TEXT = 1 << 25')
  let module: Uint8Array | undefined
  const { error, stderr } = await compile(
    [
      'assembly/word-histogram.ts',
      ...['--outFile', 'module.wasm'],
      ...['--optimizeLevel', '3'],
      ...['--runtime', 'stub'],
      ...['--use', 'abort='],
      ...['--maximumMemory', String(PAGES)],
      ...['--baseDir', PACKAGE],
    ],
    {
      readFile: (name, folder) => {
        if (name === 'assembly/word-histogram.ts') return enlarged
        try {
          return readFileSync(new URL(name, `file://${folder}/`), 'utf8')
        } catch {
          return null
        }
      },
      writeFile: (_name, contents) => {
        if (typeof contents !== 'string') module = contents
      },
    },
  )
  if (error || module === undefined) throw new Error(`${SOURCE} does not compile:\n${stderr.toString()}`)
  return module
}
