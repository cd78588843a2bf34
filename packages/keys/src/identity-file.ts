import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AskeeError, type Random, toHex } from '@askee/core'
import { type Identity, identityFromSeed } from './identity.ts'

/**
 * The identity kept in `path` (32 bytes, mode 0600, its folder 0700); made at the first call. Written whole before it
 * gets its name, so that a crash never leaves half a key and two starts at once agree on one.
 * @throws AskeeError `keys/identity-file` when the file is not a seed
 */
export async function loadOrCreateIdentity(path: string, random: Random): Promise<Identity> {
  const held = await readIfThere(path)
  if (held !== undefined) return fromFile(path, held)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${toHex(random.bytes(8))}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(random.bytes(32))
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
    await chmod(path, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
  return fromFile(path, await readFile(path))
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function fromFile(path: string, seed: Uint8Array): Identity {
  if (seed.byteLength !== 32) {
    throw new AskeeError(
      'keys/identity-file',
      `${path}: expected 32 bytes, found ${seed.byteLength}. Restore it from a backup; deleting it makes a new identity.`,
    )
  }
  return identityFromSeed(seed)
}
