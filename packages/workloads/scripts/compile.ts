import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main as compile } from 'assemblyscript/asc'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))

/** 4 MiB; the workloads state it as `MODULE_MEMORY_BYTES`. */
const MAXIMUM_PAGES = 64

/**
 * Compiles one task of the kit. `--use abort=` turns failed checks into the `unreachable` instruction, so that a task
 * imports nothing but the four functions of the module `askee`; `--runtime stub` allocates and never frees, which suits
 * tasks of bounded length; `--maximumMemory` is demanded at admission.
 * @throws Error with the compiler's words
 */
export async function compileTask(sourceFile: string, outputFile: string): Promise<void> {
  const { error, stderr } = await compile([
    relative(PACKAGE, sourceFile),
    ...['--outFile', relative(PACKAGE, outputFile)],
    ...['--optimizeLevel', '3'],
    ...['--runtime', 'stub'],
    ...['--use', 'abort='],
    ...['--maximumMemory', String(MAXIMUM_PAGES)],
    ...['--baseDir', PACKAGE],
  ])
  if (error) throw new Error(`${sourceFile} does not compile:\n${stderr.toString()}`, { cause: error })
}
