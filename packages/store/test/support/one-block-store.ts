import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AskeeError, systemClock, systemRandom } from '@askee/core'
import { openSoftwareDeviceKey } from '@askee/keys'
import { createBlockStore, openStoreKey } from '../../src/index.ts'
import type { Judgement, Standing } from './hostile.ts'

/** Judges changes to the files of the block store without opening the rest of the store: some milliseconds each. */
export interface OneBlockStore {
  /** @param file relative to the standing's directory */
  judge(file: string, at: number): Promise<Judgement>
}

export async function oneBlockStore(standing: Standing, work: string): Promise<OneBlockStore> {
  const random = systemRandom
  const deviceKey = await openSoftwareDeviceKey({ path: standing.device, random })
  const key = await openStoreKey({ deviceKey, random }, { path: join(standing.directory, 'store-key') })
  const { blocks: expected } = standing.contents as { blocks: string[] }
  const restore = (): void => {
    rmSync(work, { recursive: true, force: true })
    cpSync(join(standing.directory, 'blocks'), join(work, 'blocks'), { recursive: true })
  }

  return {
    async judge(file, at) {
      restore()
      const bytes = readFileSync(join(work, file))
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 8))
      writeFileSync(join(work, file), bytes)
      const reports: AskeeError[] = []
      try {
        const blocks = await createBlockStore(
          { clock: systemClock },
          {
            directory: join(work, 'blocks'),
            maxBytes: 2 ** 30,
            sealing: { key, random },
            onDamaged: (error) => void reports.push(error),
          },
        )
        for (const [i, digest] of standing.digests.entries()) {
          const held = await blocks.get(digest)
          if (held !== undefined && Buffer.from(held).toString('base64') !== expected[i]) {
            return { kind: 'failed', text: 'a wrong block' }
          }
        }
        const [report] = reports
        if (report !== undefined) return { kind: 'named', code: report.code, text: report.message }
        return { kind: 'whole' }
      } catch (error) {
        if (error instanceof AskeeError) return { kind: 'named', code: error.code, text: error.message }
        return { kind: 'failed', text: `not named: ${error}` }
      }
    },
  }
}
