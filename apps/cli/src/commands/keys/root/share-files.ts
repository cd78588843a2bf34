import { mkdir, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SplitRoot } from '@askee/keys'
import { usageError } from '../../../exit.ts'
import { readNamedFile } from '../../files.ts'

/** What a keeper's file holds. */
export interface ShareFile {
  /** As `createOwnerRoot` wrote it, or as somebody typed it. */
  readonly share: string
  /** What nodes said of the root; no secret. */
  readonly adoptions: readonly Uint8Array[]
}

/** Larger than any share with what belongs to it. */
const MAX_BYTES = 65_536

/** What each keeper gets, with what it is for. */
export function shareTexts({ root, shares }: SplitRoot, threshold: number, adoption: Uint8Array): string[] {
  const total = shares.length
  return shares.map(
    (share, i) => `Askee owner root, share ${i + 1} of ${total}

root ${root.id}
share ${share}

Any ${threshold} of the ${total} shares give the root; fewer tell nothing of it, and it is kept nowhere else. Whoever holds ${threshold} can
declare the nodes void that adopted it. Keep each share with another person or in another place. On paper, the line
that begins with "share" is enough; the lines below are no secret, and belong to every share.

${adoptionLine(adoption)}
`,
  )
}

/**
 * Writes a file for each keeper into a folder, which is made. Mode 0600; on disk when it resolves.
 * @throws AskeeError `cli/usage` when one is there
 */
export async function writeShareFiles(folder: string, texts: readonly string[]): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const paths: string[] = []
  for (const [i, text] of texts.entries()) {
    const path = join(folder, `share-${i + 1}-of-${texts.length}.txt`)
    await writeNew(path, text)
    paths.push(path)
  }
  return paths
}

/** @throws AskeeError `cli/usage` when something is in the folder */
export async function assertEmptyFolder(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw usageError(`cannot read ${folder}: ${error.code}`)
  })
  if (entries.length > 0) throw usageError(`${folder} is not empty, and no share is overwritten`)
}

/** The line that says which root a node adopted. */
export function adoptionLine(adoption: Uint8Array): string {
  return `adoption ${Buffer.from(adoption).toString('base64')}`
}

/** Reads what `writeShareFiles` wrote, or a file with nothing but the characters of a share. */
export async function readShareFile(path: string): Promise<ShareFile> {
  const bytes = await readNamedFile(path)
  if (bytes.byteLength > MAX_BYTES) throw usageError(`${path} is no share: it has ${bytes.byteLength} bytes`)
  const text = Buffer.from(bytes).toString()
  const share = /^share[ \t]+(.+)$/im.exec(text)?.[1]
  return { share: share ?? text, adoptions: adoptionsIn(text) }
}

/** What a file says that nodes adopted. */
export async function readAdoptions(path: string): Promise<Uint8Array[]> {
  const bytes = await readNamedFile(path)
  if (bytes.byteLength > MAX_BYTES)
    throw usageError(`${path} holds no adoption: it has ${bytes.byteLength} bytes`)
  return adoptionsIn(Buffer.from(bytes).toString())
}

function adoptionsIn(text: string): Uint8Array[] {
  return [...text.matchAll(/^adoption[ \t]+([A-Za-z0-9+/=]+)[ \t]*\r?$/gim)].map(
    ([, base64]) => new Uint8Array(Buffer.from(base64 as string, 'base64')),
  )
}

/** Writes a file of mode 0600 that was not there before; on disk when it resolves. */
export async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'it is there already and is not overwritten' : String(error.code)
    throw usageError(`cannot write ${path}: ${why}`)
  })
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}
