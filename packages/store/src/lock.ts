import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AskeeError } from '@askee/core'
import SQLite from 'better-sqlite3-multiple-ciphers'

/**
 * Takes a directory for this process alone. The operating system lets go of it when the process ends, however it
 * ends: the lock is one that SQLite holds on a file in the directory.
 * @returns gives the directory back
 * @throws AskeeError `store/in-use` when another process has it
 */
export function lockDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'lock')
  const lock = new SQLite(path, { timeout: 0 })
  try {
    lock.pragma('locking_mode = EXCLUSIVE')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new AskeeError(
      'store/in-use',
      `${directory} is in use by another agent. Stop it, or use another data directory.`,
      { directory },
      { cause },
    )
  }
  return () => lock.close()
}
