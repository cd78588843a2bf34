import { readFile } from 'node:fs/promises'
import { usageError } from '../exit.ts'

/**
 * The bytes of a file that the command line names.
 * @throws AskeeError `cli/usage` saying which file and why not
 */
export async function readNamedFile(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : String(code)
    throw usageError(`cannot read ${path}: ${why}`)
  }
}
