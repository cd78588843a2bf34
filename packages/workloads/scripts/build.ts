/**
 * Compiles every task of `assembly/` to `build/<name>.wasm`.
 *
 * `--use abort=` turns failed checks into the `unreachable` instruction, so that a task imports nothing but the
 * four functions of the module `askee`; `--runtime stub` allocates and never frees, which suits tasks of bounded
 * length; `--maximumMemory` is demanded at admission.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main as compile } from 'assemblyscript/asc'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const MAXIMUM_PAGES = 32

async function build(name: string): Promise<void> {
  const { error, stderr } = await compile(
    [
      `assembly/${name}.ts`,
      ...['--outFile', `build/${name}.wasm`],
      ...['--optimizeLevel', '3'],
      ...['--runtime', 'stub'],
      ...['--use', 'abort='],
      ...['--maximumMemory', String(MAXIMUM_PAGES)],
      ...['--baseDir', PACKAGE],
    ],
    {},
  )
  if (error) throw new Error(`assembly/${name}.ts does not compile:\n${stderr.toString()}`, { cause: error })
}

const sources = (await readdir(join(PACKAGE, 'assembly'))).filter((file) => file.endsWith('.ts'))
await rm(join(PACKAGE, 'build'), { recursive: true, force: true })
await mkdir(join(PACKAGE, 'build'))
for (const source of sources.sort()) await build(basename(source, '.ts'))
console.log(`built ${sources.length} tasks`)
