import type { Identity } from '@askee/keys'
import type { Command } from 'commander'
import { printNote } from '../../../terminal/output.ts'
import { repeated } from '../../options.ts'
import { readShareFile } from './share-files.ts'

export interface SharesOptions {
  share: string[]
}

/** `--share FILE`, once for each share. */
export function sharesOption(command: Command): Command {
  return command.requiredOption(
    '--share <file>',
    'a share, as written by create or typed from paper; as often as there are shares needed',
    repeated,
  )
}

/**
 * The root that the shares give, and what they say that nodes adopted.
 * @throws AskeeError with a ShareErrorCode
 */
export async function rootOf(
  options: SharesOptions,
): Promise<{ readonly root: Identity; readonly adoptions: readonly Uint8Array[] }> {
  const { combineOwnerRoot } = await import('@askee/keys')
  const files = await Promise.all(options.share.map(readShareFile))
  const { root, wrong } = await combineOwnerRoot(files.map(({ share }) => share))
  for (const place of wrong) {
    printNote(`${options.share[place - 1]} was made up: it is no share of this root. The others are enough.`)
  }
  return { root, adoptions: files.flatMap(({ adoptions }) => adoptions) }
}
