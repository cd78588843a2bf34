import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type AskeeError, type Digest, systemClock, systemRandom, systemTimers, utf8 } from '@askee/core'
import { openSoftwareDeviceKey } from '@askee/keys'
import {
  createBlockStore,
  createVault,
  type Database,
  openDatabase,
  openGenerations,
  openStoreKey,
  type Sealing,
  VAULT_MIGRATIONS,
  type Vault,
} from '../../src/index.ts'

export const PLAIN_SCHEMA = [
  { version: 1, sql: 'CREATE TABLE n (x INTEGER PRIMARY KEY, text TEXT) STRICT; CREATE INDEX t ON n (text)' },
]
const FIELDS = [
  ...VAULT_MIGRATIONS,
  { version: 2, sql: 'CREATE TABLE fields (subject TEXT PRIMARY KEY, name BLOB NOT NULL) STRICT' },
]
const PLACE = { record: 'fields', path: 'name', version: 0 }
const BLOCKS = [new Uint8Array(700).fill(1), new Uint8Array(300_000).fill(2)]

/** All that this package writes, put together as an agent would. */
export interface WholeStore {
  readonly rows: Database
  readonly fields: Database
  readonly vault: Vault
  readonly blocks: Awaited<ReturnType<typeof createBlockStore>>
  readonly reports: AskeeError[]
  /** For more databases beside these. */
  readonly sealing: Sealing
  readonly deviceKey: Awaited<ReturnType<typeof openSoftwareDeviceKey>>
  close(): void
}

/** @param device file of the device key, which is not part of the store */
export async function openWholeStore(directory: string, device: string): Promise<WholeStore> {
  const random = systemRandom
  const deviceKey = await openSoftwareDeviceKey({ path: device, random })
  const key = await openStoreKey({ deviceKey, random }, { path: join(directory, 'store-key') })
  const generations = openGenerations({ random }, { path: join(directory, 'generations'), key })
  const rows = openDatabase(join(directory, 'rows.db'), PLAIN_SCHEMA, { key, generations })
  let fields: Database | undefined
  try {
    fields = openDatabase(join(directory, 'fields.db'), FIELDS, { key, generations })
    const reports: AskeeError[] = []
    const blocks = await createBlockStore(
      { clock: systemClock },
      {
        directory: join(directory, 'blocks'),
        maxBytes: 2 ** 30,
        sealing: { key, random },
        onDamaged: (error) => void reports.push(error),
      },
    )
    const vault = await createVault({
      database: fields,
      deviceKey,
      clock: systemClock,
      random,
      timers: systemTimers,
    })
    const [first, second] = [rows, fields]
    const close = (): void => {
      vault.close()
      first.close()
      second.close()
    }
    return { rows, fields, vault, blocks, reports, sealing: { key, generations }, deviceKey, close }
  } catch (error) {
    rows.close()
    fields?.close()
    throw error
  }
}

export function addRow(store: WholeStore, x: number): void {
  store.rows.prepare('INSERT INTO n VALUES (?, ?)').run(x, `text of row ${x}`)
}

export function addField(store: WholeStore, subject: string): void {
  const sealed = store.vault.seal(subject, PLACE, utf8(`name of ${subject}`))
  store.fields.prepare('INSERT INTO fields VALUES (?, ?)').run(subject, sealed)
}

export async function fill(store: WholeStore, count: number): Promise<Digest[]> {
  store.rows.transaction(() => {
    for (let i = 0; i < count; i++) addRow(store, i)
  })()
  for (let i = 0; i < count; i += 10) addField(store, `s${i}`)
  return Promise.all(BLOCKS.map((bytes) => store.blocks.put(bytes)))
}

/** What the store says it holds; blocks that are not given are null. */
export async function contentsOf(store: WholeStore, digests: readonly Digest[]): Promise<unknown> {
  const rows = store.rows.prepare('SELECT x, text FROM n ORDER BY x').all()
  const texts = store.rows.prepare('SELECT text FROM n INDEXED BY t ORDER BY text').pluck().all()
  const sealed = store.fields.prepare('SELECT subject, name FROM fields ORDER BY subject').all() as {
    subject: string
    name: Uint8Array
  }[]
  const fields = sealed.map(({ subject, name }) => [
    subject,
    Buffer.from(store.vault.open(subject, PLACE, name)).toString(),
  ])
  const blocks = await Promise.all(
    digests.map(async (digest) => {
      const bytes = await store.blocks.get(digest)
      return bytes === undefined ? null : Buffer.from(bytes).toString('base64')
    }),
  )
  return { rows, texts, fields, blocks }
}

/** Every file of a folder, relative to it. */
export function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(directory.length + 1))
    .sort()
}

/** The files as they stand now, an open store's too: what a crash at this moment would leave. */
export function snapshot(directory: string, to: string): void {
  cpSync(directory, to, { recursive: true })
}
