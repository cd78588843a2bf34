import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '@askee/core'
import { afterAll } from 'vitest'

/** A folder of its own, removed when the test file ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'askee-store-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The code of what `body` throws, `undefined` when it does not throw, the text of what is no AskeeError. */
export function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error) ?? `not named: ${error}`
  }
}

/** All bytes of all files below a folder, or of one file, as one buffer. */
export function allBytes(path: string): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0)
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
  return Buffer.concat(
    names.filter((one) => one.isFile()).map((one) => readFileSync(join(one.parentPath, one.name))),
  )
}
