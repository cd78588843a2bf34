import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AskeeError, bytesEqual, concat, utf8 } from '@askee/core'
import { deriveKey } from '../derive-key.ts'
import { writeDurably } from '../durable-file.ts'
import { SEALED_END } from './sealed-format.ts'

const FILE_NAME = 'key-check'
const MAGIC = utf8('askee-blocks-1\n')
const CHECK_BYTES = 16

/**
 * A folder of sealed blocks says which key they were sealed with, by a value that gives nothing of the key away. The file
 * is made when missing, and again when it is damaged: each block is authenticated by itself.
 * @returns what is wrong where the file is damaged, or missing beside sealed blocks
 * @throws AskeeError `store/wrong-key`
 */
export async function checkBlockKey(
  directory: string,
  key: Uint8Array | undefined,
): Promise<AskeeError | undefined> {
  const path = join(directory, FILE_NAME)
  const found = await readFile(path).catch(() => undefined)
  if (key === undefined) {
    if (found !== undefined) throw wrongKey(path, 'the blocks are sealed, and no key was given')
    return undefined
  }
  const expected = concat(MAGIC, deriveKey(key, 'blocks-check').subarray(0, CHECK_BYTES))
  if (found !== undefined && bytesEqual(found, expected)) return undefined
  if (found !== undefined && found.byteLength === expected.byteLength) {
    const differing = expected.filter((byte, i) => byte !== found[i]).length
    if (differing > CHECK_BYTES / 2) throw wrongKey(path, 'the blocks were sealed with another key')
  }
  const wrong = found === undefined ? 'was missing beside sealed blocks' : 'was damaged'
  const isFirst = found === undefined && !(await hasSealedBlocks(directory))
  writeDurably(path, expected)
  if (isFirst) return undefined
  const text = `${path} ${wrong} and was made again. Each block is authenticated by itself, so none is lost.`
  return new AskeeError('blocks/damaged', text, { path })
}

async function hasSealedBlocks(directory: string): Promise<boolean> {
  const names = await readdir(directory, { recursive: true })
  return names.some((name) => name.endsWith(SEALED_END))
}

function wrongKey(path: string, why: string): AskeeError {
  return new AskeeError('store/wrong-key', `${path}: ${why}. Use the key that they were sealed with.`, {
    path,
  })
}
