import { existsSync, rmSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { AUDIT_MIGRATIONS, type Beginnings, createAuditLog, openBeginnings } from '@askee/audit'
import { CONSENT_MIGRATIONS, createConsentRegistry } from '@askee/consent'
import {
  AskeeError,
  type AuditSink,
  errorCode,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
} from '@askee/core'
import { restartChains } from '@askee/keys'
import { checkDatabase, createVault, lockDirectory, openDatabase } from '@askee/store'
import type { DeviceKeyChoice } from './device-key.ts'
import { type AgentPaths, agentPaths } from './paths.ts'
import { openSecrets, type Secrets } from './secrets.ts'

/** A database, the file of generations, or the folder of the keys, that is not as this directory last saw it. */
export interface FoundDatabase {
  readonly name: string
  /** `unknown`: nothing says how new it must be. `changed`: as new as it must be, and not as it was closed. */
  readonly finding: 'older' | 'unknown' | 'missing' | 'plain' | 'changed'
}

export interface RestoredInit {
  readonly dataDirectory: string
  readonly deviceKey: DeviceKeyChoice
  /** Why; stays in the audit log of this machine. */
  readonly reason: string
  /** Asked when something is to be accepted, before anything is; false leaves all of it as it is. */
  readonly confirm: (found: readonly FoundDatabase[]) => Promise<boolean>
}

export interface AcceptedState {
  readonly node: NodeId
  readonly databases: readonly FoundDatabase[]
  /** Consents that were live in what was accepted: suspended, for one of them may have been revoked since. */
  readonly suspended: readonly string[]
}

/** What peers hear; the owner's own reason stays on this machine. */
const BEGINS_ANEW = 'its owner put back databases of before'

/**
 * Takes the databases of a directory as they stand, because their owner put them there: after a restore, an upgrade from a
 * version that did not encrypt, or a loss of the file of generations. No agent runs meanwhile. It is in the audit log before
 * it holds, and every consent that it brings back is suspended until a person resumes it: before the database is accepted, so that
 * a crash at any point leaves a directory that no agent starts on, or one without open consents. Grants from then on have a
 * later epoch than any that was told, and blocks of which the consents know nothing are erased at the next start.
 * @returns null when `confirm` declined
 * @throws AskeeError `store/in-use`, `agent/no-keys`, `store/wrong-key` and `store/swapped` for files of another store,
 * `store/damaged` when what stands there cannot be read whole (nothing of that database is accepted then), `keys/*`
 */
export async function acceptRestored(init: RestoredInit): Promise<AcceptedState | null> {
  const paths = agentPaths(init.dataDirectory)
  if (!existsSync(paths.secrets)) {
    throw new AskeeError(
      'agent/no-keys',
      `${paths.keys} holds no keys: bring them back first, with askee keys restore or by hand`,
      { path: paths.keys },
    )
  }
  const release = lockDirectory(init.dataDirectory)
  try {
    const secrets = await openSecrets(init.deviceKey, paths, systemRandom, {
      lostGenerations: 'make',
      olderKeys: 'report',
    })
    try {
      return await acceptWith(secrets, paths, init)
    } finally {
      await secrets.deviceKey.close()
    }
  } finally {
    release()
  }
}

async function acceptWith(
  secrets: Secrets,
  paths: AgentPaths,
  { confirm, reason }: RestoredInit,
): Promise<AcceptedState | null> {
  const { sealing, node } = secrets
  const databases = [paths.audit, paths.consents, paths.witness, paths.journal, paths.ledger]
  const found = databases.flatMap((path) => judged(secrets, path))
  if (!existsSync(paths.generations)) found.unshift({ name: basename(paths.generations), finding: 'missing' })
  if (secrets.olderKeys.length > 0) found.unshift({ name: 'keys', finding: 'older' })
  if (found.length === 0) return { node: node.id, databases: [], suspended: [] }
  if (!(await confirm(found))) return null
  sealing.generations?.persist()
  take(secrets, paths.audit, found)
  const audit = await openAudit(secrets, paths)
  const write = (outcome: 'done' | 'failed', content: Record<string, string>) =>
    audit.log.append({ action: 'state.accepted', subject: 'system', outcome, content })
  try {
    const what = found.map(({ name, finding }) => `${name} ${finding}`).join(', ')
    await write('done', { reason, found: what })
    if (secrets.olderKeys.length > 0) await takeKeys(secrets)
    let suspended: readonly string[] = []
    for (const path of databases.slice(1)) {
      try {
        // Before it is accepted: whatever ends this in between, no agent starts on consents that are open.
        if (path === paths.consents) suspended = await putBack(secrets, paths, found, audit.log)
        take(secrets, path, found)
      } catch (error) {
        await write('failed', { database: basename(path), code: errorCode(error) ?? 'internal' })
        throw error
      }
    }
    // Else the checkpoints of before, which speak of newer databases, would hold the agent at its next start.
    const signed = [paths.audit, paths.consents, paths.witness].map((path) => basename(path))
    if (found.some(({ name }) => signed.includes(name))) await audit.beginnings.begin(BEGINS_ANEW, [])
    return { node: node.id, databases: found, suspended }
  } finally {
    audit.close()
  }
}

/** What would keep an agent from starting with this database; none when it is as it was last seen. */
function judged({ sealing }: Secrets, path: string): FoundDatabase[] {
  const name = basename(path)
  const seen = sealing.generations?.get(name)
  if (seen === undefined && !existsSync(path)) return []
  const isThere = existsSync(path) && statSync(path).size > 0
  try {
    checkDatabase(path, sealing)
    return []
  } catch (error) {
    switch (errorCode(error)) {
      case 'store/not-encrypted':
        return [{ name, finding: 'plain' }]
      case 'store/damaged':
        return [{ name, finding: 'changed' }]
      case 'store/rolled-back':
        return [{ name, finding: isThere ? (seen === undefined ? 'unknown' : 'older') : 'missing' }]
      default:
        throw error
    }
  }
}

/** @throws AskeeError when it cannot be taken; then it is refused as before */
function take({ sealing }: Secrets, path: string, found: readonly FoundDatabase[]): void {
  const finding = found.find(({ name }) => name === basename(path))?.finding
  if (finding === undefined) return
  const undo = sealing.generations?.accept(basename(path))
  try {
    checkDatabase(path, { ...sealing, plain: finding === 'plain' ? 'encrypt' : 'refuse' })
  } catch (error) {
    undo?.()
    throw error
  }
}

/** Keys that were destroyed since the copy was made may be back: all that rotate begin anew, and the old ones are told lost. */
async function takeKeys({ keyStore, takeOlderKeys }: Secrets): Promise<void> {
  await restartChains(keyStore, systemClock.now())
  takeOlderKeys()
}

async function openAudit(
  { sealing, vaultKey, subjectKey, node, owner }: Secrets,
  paths: AgentPaths,
): Promise<{ readonly log: AuditSink; readonly beginnings: Beginnings; readonly close: () => void }> {
  const [clock, random, timers] = [systemClock, systemRandom, systemTimers]
  const database = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
  try {
    const vault = await createVault({ database, deviceKey: vaultKey.wrapping, clock, random, timers })
    const log = createAuditLog({ database, vault, clock, random }, { subjectKey })
    return {
      log,
      beginnings: await openBeginnings({ log, database, node: node.id, owner, clock, random }),
      close: () => {
        database.close()
        vault.close()
      },
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/**
 * Among those that are live again may be one that was revoked after the copy was made, and the mesh may know of a later epoch.
 * The database is opened as it stands, with its own signs alone: it is not accepted yet.
 */
async function putBack(
  { sealing, owner, node }: Secrets,
  paths: AgentPaths,
  found: readonly FoundDatabase[],
  audit: AuditSink,
): Promise<readonly string[]> {
  const finding = found.find(({ name }) => name === basename(paths.consents))?.finding
  if (finding === undefined) return []
  // What was compiled is made again from the modules that stay.
  rmSync(paths.compiled, { recursive: true, force: true })
  const plain = finding === 'plain' ? 'encrypt' : 'refuse'
  const database = openDatabase(paths.consents, CONSENT_MIGRATIONS, { key: sealing.key, plain })
  try {
    const registry = createConsentRegistry(
      {
        database,
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
        volunteer: owner,
        audit,
      },
      { subject: node.id },
    )
    const suspended = registry.putBack('its record was restored from a copy')
    await registry.history.settled()
    return suspended.map(({ id }) => id)
  } finally {
    database.close()
  }
}
