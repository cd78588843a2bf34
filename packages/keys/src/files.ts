import { chmod, link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Random, toHex } from '@askee/core'

/** Names of files that were being written when the process died. */
export const TEMPORARY_SUFFIX = '.partial'

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

/** The file's bytes, or undefined when there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes a folder of mode 0700, also where it was open to others before. */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
}

/** Puts the entries of a folder on disk: a rename is only as durable as its folder. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders; NTFS orders the entry itself.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function writeTemporary(path: string, bytes: Uint8Array, random: Random): Promise<string> {
  const temporary = `${path}.${toHex(random.bytes(8))}${TEMPORARY_SUFFIX}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  return temporary
}

/** The whole new content or the whole old one, whenever the machine stops. Mode 0600. */
export async function replaceFile(path: string, bytes: Uint8Array, random: Random): Promise<void> {
  const temporary = await writeTemporary(path, bytes, random)
  try {
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(path))
}

/**
 * Creates a file of mode 0600 unless one is there.
 * @returns the bytes that stand in it now: of two that create at once both get the winner's
 */
export async function createFile(path: string, bytes: Uint8Array, random: Random): Promise<Uint8Array> {
  const temporary = await writeTemporary(path, bytes, random)
  try {
    await link(temporary, path)
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(dirname(path))
  return new Uint8Array(await readFile(path))
}

/**
 * Overwrites and removes a file. Overwriting reaches the same sectors on few of today's disks: what must become
 * unreadable is wrapped, and its key destroyed.
 */
export async function eraseFile(path: string): Promise<void> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r+')
  } catch (error) {
    if (errno(error) === 'ENOENT') return
    throw error
  }
  try {
    const { size } = await file.stat()
    await file.write(new Uint8Array(size), 0, size, 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await unlink(path).catch((error: unknown) => {
    if (errno(error) !== 'ENOENT') throw error
  })
  await syncFolder(dirname(path))
}
