import { readFile } from 'node:fs/promises'
import { AskeeError } from '@askee/core'
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

const MAGIC = [0x00, 0x61, 0x73, 0x6d]

/**
 * A WebAssembly module that the command line names, in its binary form.
 * @throws AskeeError `cli/usage`, also for the text form, with the command that compiles it; `wasm/malformed` for anything else
 */
export async function readModule(path: string): Promise<Uint8Array> {
  const bytes = await readNamedFile(path)
  if (MAGIC.every((byte, i) => bytes[i] === byte)) return bytes
  const start = Buffer.from(bytes.subarray(0, 4096)).toString('utf8')
  if (path.endsWith('.wat') || /^\s*(;;[^\n]*\s*|\(;[^;]*;\)\s*)*\(module\b/.test(start)) {
    const binary = path.endsWith('.wat') ? path.replace(/\.wat$/, '.wasm') : `${path}.wasm`
    throw usageError(
      `${path} is WebAssembly in its text form; nodes run the binary one. Make it with: npx wat2wasm ${path} -o ${binary}`,
    )
  }
  throw new AskeeError(
    'wasm/malformed',
    `${path} is no WebAssembly module: it does not begin with the bytes 00 61 73 6d. docs/determinism.md says what a task must be, and npx askee wasm check FILE tells of one`,
  )
}
