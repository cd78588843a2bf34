import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_MIGRATIONS, createAuditLog } from '@askee/audit'
import {
  CONSENT_MIGRATIONS,
  type ConsentRegistry,
  createRevocationBook,
  createTokenVerifier,
  inspectToken,
} from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import { errorCode, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { type AgentPaths, agentPaths } from '../src/paths.ts'
import { acceptRestored, type FoundDatabase } from '../src/restored.ts'
import { openSecrets } from '../src/secrets.ts'

/** Told after each renaming: how the store gives a file that is whole its name. */
const renames = vi.hoisted(() => ({ heard: (): void => {} }))
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const renameSync: typeof fs.renameSync = (from, to) => {
    fs.renameSync(from, to)
    renames.heard()
  }
  return { ...fs, default: fs, renameSync }
})

const folder = mkdtempSync(join(tmpdir(), 'askee-restored-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const requester = createIdentity(systemRandom)
const software = { provider: 'software' } as const
let homes = 0
const home = () => agentPaths(join(folder, `${homes++}`))

/** What an agent does with the consents of a directory. */
async function withConsents<T>(paths: AgentPaths, body: (registry: ConsentRegistry) => T): Promise<T> {
  const { sealing, node, owner } = await openSecrets(software, paths, systemRandom)
  const audit = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
  try {
    const database = openDatabase(paths.consents, CONSENT_MIGRATIONS, sealing)
    const { registry } = testRegistry(node.id, { volunteer: owner, database })
    try {
      return body(registry)
    } finally {
      await registry.history.settled()
      database.close()
    }
  } finally {
    audit.close()
  }
}

async function logOf(paths: AgentPaths) {
  const { sealing, vaultKey, subjectKey } = await openSecrets(software, paths, systemRandom)
  const database = openDatabase(paths.audit, AUDIT_MIGRATIONS, sealing)
  const others = { clock: systemClock, random: systemRandom }
  const vault = await createVault({
    database,
    deviceKey: vaultKey.wrapping,
    timers: systemTimers,
    ...others,
  })
  const log = createAuditLog({ database, vault, ...others }, { subjectKey })
  const entries = Array.from({ length: log.size() }, (_, index) => JSON.stringify(log.read(index)))
  database.close()
  vault.close()
  return entries
}

function accept(paths: AgentPaths, answer: boolean | ((found: readonly FoundDatabase[]) => void)) {
  return acceptRestored({
    dataDirectory: paths.directory,
    deviceKey: software,
    reason: 'the disk was replaced',
    confirm: async (found) => {
      if (typeof answer === 'boolean') return answer
      answer(found)
      return true
    },
  })
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'resolved',
    (error) => errorCode(error) ?? error,
  )

/** Phases of the consents that an agent would start on, or why it would not. */
async function openIn(paths: AgentPaths): Promise<string | readonly string[]> {
  try {
    return await withConsents(paths, (registry) => registry.list().map(({ phase }) => phase))
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

/** Two consents, of which one was revoked after the copy of the database was made that stands there again. */
async function rolledBack() {
  const paths = home()
  const ids = await withConsents(paths, (registry) =>
    ['primes', 'stars'].map((purpose) => grantForTest(registry, requester.id, { purposes: [purpose] }).id),
  )
  copyFileSync(paths.consents, `${paths.consents}.copy`)
  await withConsents(paths, (registry) => registry.revoke(ids[0] as string, 'enough'))
  copyFileSync(`${paths.consents}.copy`, paths.consents)
  return { paths, ids }
}

describe('a data directory into which a copy was put back', () => {
  it('CON-5 CON-2 grants what a peer takes that heard since that everything was revoked', async () => {
    const paths = home()
    const peer = createRevocationBook({
      database: openDatabase(':memory:', CONSENT_MIGRATIONS),
      clock: systemClock,
    })
    const verify = createTokenVerifier({ clock: systemClock, revocations: peer })
    const verdict = async (token: string) => {
      const parties = { subject: inspectToken(token).subject, audience: requester.id }
      return codeOf(verify(token, parties))
    }
    const before = await withConsents(paths, (registry) => grantForTest(registry, requester.id))
    copyFileSync(paths.consents, `${paths.consents}.copy`)
    await withConsents(paths, (registry) => {
      for (let i = 0; i < 3; i++) registry.revokeAll('enough')
      peer.take(registry.revocations().at(-1)?.certificate as string)
    })
    expect(await verdict(before.token)).toBe('consent/revoked')
    const isThere = [true, false]
    for (const there of isThere) {
      rmSync(paths.consents)
      if (there) copyFileSync(`${paths.consents}.copy`, paths.consents)
      expect((await accept(paths, true))?.databases).toMatchObject([{ name: 'consents.db' }])
      const { token } = await withConsents(paths, (registry) => grantForTest(registry, requester.id))
      expect([there, await verdict(token)]).toEqual([there, 'resolved'])
    }
  })

  it.each(['older', 'plain', 'unknown'])(
    'STO-1 CON-5 has no consent open, wherever the acceptance of one that is %s is killed',
    async (finding) => {
      const { paths } = await rolledBack()
      if (finding === 'unknown') rmSync(paths.generations)
      if (finding === 'plain') {
        const { sealing } = await openSecrets(software, paths, systemRandom)
        const opened = openDatabase(paths.consents, CONSENT_MIGRATIONS, { key: sealing.key })
        opened.pragma('journal_mode = DELETE')
        opened.pragma("rekey = ''")
        opened.close()
      }
      // What the disk holds at each moment in which a file of the store has just got its name.
      const images: AgentPaths[] = []
      renames.heard = () => {
        const image = home()
        cpSync(paths.directory, image.directory, { recursive: true })
        rmSync(join(image.directory, 'lock'), { recursive: true, force: true })
        images.push(image)
      }
      try {
        const accepted = await accept(paths, true)
        expect(accepted?.databases).toContainEqual({ name: 'consents.db', finding })
      } finally {
        renames.heard = () => {}
      }
      expect(images.length).toBeGreaterThan(5)
      const found = await Promise.all([...images, paths].map((image) => openIn(image)))
      expect(found.filter((phases) => typeof phases !== 'string' && phases.includes('granted'))).toEqual([])
      expect(found.filter((phases) => typeof phases === 'string').length).toBeGreaterThan(1)
      expect(found.at(-1)).toEqual(['suspended', 'suspended'])
    },
    60_000,
  )

  it('STO-1 CON-5 opens when its owner says so, is logged, and has no consent live that may have been revoked', async () => {
    const { paths, ids } = await rolledBack()
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/rolled-back')
    expect(await accept(paths, false)).toBeNull()
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/rolled-back')

    const databases = [{ name: 'consents.db', finding: 'older' }]
    const accepted = await accept(paths, (found) => expect(found).toEqual(databases))
    expect(accepted?.databases).toEqual(databases)
    expect([...(accepted?.suspended ?? [])].sort()).toEqual([...ids].sort())
    const phases = await withConsents(paths, (registry) => registry.list().map(({ phase }) => phase))
    expect(phases).toEqual(['suspended', 'suspended'])
    const entries = await logOf(paths)
    const [own] = entries.filter((entry) => entry.includes('state.accepted'))
    expect(own).toContain('the disk was replaced')
    expect(own).toContain('consents.db older')
    expect(entries.filter((entry) => entry.includes('consent.suspended'))).toHaveLength(2)
    // Once: the next copy is refused again, and what is as it was needs no question.
    const question = () => expect.unreachable('nothing is to be asked')
    expect((await accept(paths, question))?.databases).toEqual([])
    copyFileSync(`${paths.consents}.copy`, paths.consents)
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/rolled-back')
  })

  it('STO-1 opens without the file of generations, or without anything but keys, only when its owner says so', async () => {
    const paths = home()
    await withConsents(paths, (registry) => grantForTest(registry, requester.id))
    rmSync(paths.generations)
    expect(await accept(paths, false)).toBeNull()
    expect(existsSync(paths.generations)).toBe(false)
    expect(await codeOf(withConsents(paths, () => 0))).toBe('agent/generations-missing')
    expect((await accept(paths, true))?.databases).toEqual([
      { name: 'generations', finding: 'missing' },
      { name: 'audit.db', finding: 'unknown' },
      { name: 'consents.db', finding: 'unknown' },
    ])
    expect(await withConsents(paths, (registry) => registry.list())).toHaveLength(1)

    for (const path of [paths.audit, paths.consents]) rmSync(path)
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/rolled-back')
    expect((await accept(paths, true))?.databases.map(({ finding }) => finding)).toEqual([
      'missing',
      'missing',
    ])
    expect(await withConsents(paths, (registry) => registry.list())).toEqual([])
  })

  it('STO-1 encrypts a database of an earlier version only when its owner says so', async () => {
    const paths = home()
    await openSecrets(software, paths, systemRandom)
    openDatabase(paths.consents, CONSENT_MIGRATIONS).close()
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/not-encrypted')
    expect((await accept(paths, true))?.databases).toEqual([{ name: 'consents.db', finding: 'plain' }])
    expect(readFileSync(paths.consents).includes('SQLite format 3')).toBe(false)
    expect(await withConsents(paths, (registry) => registry.list())).toEqual([])
  })

  it('STO-1 is refused as before when what was put there is damaged, or of another store', async () => {
    const { paths } = await rolledBack()
    const bytes = readFileSync(paths.consents)
    bytes.fill(1, 8192, 8300)
    writeFileSync(paths.consents, bytes)
    expect(await codeOf(accept(paths, true))).toBe('store/damaged')
    expect(await logOf(paths)).toEqual(
      expect.arrayContaining([expect.stringMatching(/state\.accepted.*store\/damaged/)]),
    )
    copyFileSync(`${paths.consents}.copy`, paths.consents)
    expect(await codeOf(withConsents(paths, () => 0))).toBe('store/rolled-back')

    const other = home()
    await withConsents(other, () => 0)
    copyFileSync(other.consents, paths.consents)
    const question = () => expect.unreachable('nothing is to be asked')
    expect(await codeOf(accept(paths, question))).toBe('store/wrong-key')
    expect(await codeOf(accept(home(), question))).toBe('agent/no-keys')
  })
})
