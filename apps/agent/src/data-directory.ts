import { chmod, mkdir, stat } from 'node:fs/promises'
import { AskeeError } from '@askee/core'

/**
 * Makes the data directory, or closes the one that is there to others: who can write in it could put another socket or older files in
 * place of the agent's.
 * @throws AskeeError `agent/foreign-directory` when it belongs to another user
 */
export async function ownDataDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (process.platform === 'win32') return
  const user = process.geteuid?.()
  const { uid, mode } = await stat(path)
  if (uid !== user && user !== 0) {
    throw new AskeeError(
      'agent/foreign-directory',
      `${path} belongs to another user, who could change what stands in it. Use a data directory of your own.`,
      { path },
    )
  }
  if (uid === user && (mode & 0o077) !== 0) await chmod(path, 0o700)
}
