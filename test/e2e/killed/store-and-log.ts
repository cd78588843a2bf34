import { join } from 'node:path'
import { systemClock, systemRandom, systemTimers } from '@askee/core'
import { identityFromSeed } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import {
  AUDIT_MIGRATIONS,
  createAuditLog,
  signCheckpoint,
  type Verification,
  verifyLog,
} from '../../../packages/audit/src/index.ts'
import { openWholeStore } from '../../../packages/store/test/support/whole-store.ts'

const IDENTITY = identityFromSeed(new Uint8Array(32).fill(5))
const SUBJECT_KEY = new Uint8Array(32).fill(6)

/** All that the store keeps, and the log of acts beside it, as an agent has them: encrypted, with generations. */
export async function openStoreAndLog(directory: string, device: string) {
  const store = await openWholeStore(directory, device)
  const parts = { clock: systemClock, random: systemRandom }
  const database = openDatabase(join(directory, 'acts.db'), AUDIT_MIGRATIONS, store.sealing)
  const vault = await createVault({ ...parts, database, deviceKey: store.deviceKey, timers: systemTimers })
  const log = createAuditLog({ ...parts, database, vault }, { subjectKey: SUBJECT_KEY })
  return {
    store,
    log,
    /** What a witness would keep of the log as it is now. */
    note: () => signCheckpoint(IDENTITY, { size: log.size(), root: log.root(), extensions: [] }),
    verify: (known: readonly string[]): Promise<Verification> =>
      verifyLog({ database, vault, origin: IDENTITY.id, timers: systemTimers }, known),
    rotate: () => Promise.all([vault.rotate(), store.vault.rotate()]),
    close(): void {
      vault.close()
      database.close()
      store.close()
    },
  }
}
