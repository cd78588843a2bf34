/**
 * How long verification, compliance checks, purge and export of a long log hold the event loop, and how much memory they take.
 * `node --expose-gc packages/audit/bench/turns.ts [entries, default 100000] [only what begins so, like verify]`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { silentLogger, systemClock, systemRandom, systemTimers, type Timers } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { createVault, openDatabase } from '@askee/store'
import {
  AUDIT_MIGRATIONS,
  type Checkpointing,
  type ComplianceProfile,
  checkCompliance,
  createAuditLog,
  createExporter,
  createRetention,
  listRemovals,
  openCheckpoint,
  PROFILES,
  signCheckpoint,
  verifyExport,
  verifyLog,
} from '../src/index.ts'

const ENTRIES = Number(process.argv[2] ?? 100_000)
const ONLY = process.argv[3] ?? ''
const SUBJECTS = 500
const DAY = 86_400_000

const directory = mkdtempSync(join(tmpdir(), 'askee-turns-'))
const database = openDatabase(join(directory, 'audit.db'), AUDIT_MIGRATIONS, {
  key: new Uint8Array(32).fill(7),
})
const plain = { wrap: async (secret: Uint8Array) => secret, unwrap: async (wrapped: Uint8Array) => wrapped }
let ahead = 0
const clock = { ...systemClock, now: () => systemClock.now() + ahead }
/** Processor time of each turn of the work itself, whatever else the machine had to do: microseconds. */
const turns: number[] = []
let resumed = 0
const timers: Timers = {
  ...systemTimers,
  async sleep(delay, signal) {
    turns.push(thread() - resumed)
    await systemTimers.sleep(delay, signal)
    resumed = thread()
  },
}
const parts = { database, clock, random: systemRandom, timers, logger: silentLogger }
const vault = await createVault({ ...parts, deviceKey: plain })
const subjectKey = new Uint8Array(32).fill(7)
const log = createAuditLog({ ...parts, vault }, { subjectKey })
const identity = createIdentity(systemRandom)

for (let i = 0; i < ENTRIES; i += 500) {
  await Promise.all(
    Array.from({ length: 500 }, (_, j) =>
      log.append({
        action: 'consent.used',
        subject: `consent-${(i + j) % SUBJECTS}`,
        outcome: 'done',
        content: { number: i + j, text: 'folding of proteins' },
      }),
    ),
  )
}
const sign = () =>
  openCheckpoint(signCheckpoint(identity, { log: '', size: log.size(), root: log.root(), extensions: [] }))
const checkpointing = { sign, covering: sign, cosign: async () => 0 } as unknown as Checkpointing
const gdpr = PROFILES.get('gdpr') as ComplianceProfile
const retention = createRetention({ ...parts, log, vault }, { subjectKey })
const exporter = createExporter({ ...parts, log, checkpointing, identity })
const PART = 20_000
const files: Uint8Array[] = []
/** The whole log, in as many files as it takes. */
const exportAll = async (to: number, content: 'included' | 'withheld'): Promise<void> => {
  files.length = 0
  for (let from = 0; from < to; from += PART) {
    const range = { from, to: Math.min(to, from + PART) }
    files.push(await exporter.make({ reason: 'measured', exporter: 'nobody', content, ...range }))
  }
}
const verifyAll = async (): Promise<void> => {
  for (const file of files) verifyExport(file, identity.id)
}

await measured('verify', () => verifyLog({ ...parts, vault, origin: identity.id }))
await measured('compliance, 3 profiles', async () => {
  for (const profile of PROFILES.values()) {
    await checkCompliance({ ...parts, log }, profile, { now: clock.now(), region: 'EU' })
  }
})
await measured('export of all', () => exportAll(ENTRIES, 'included'))
await measured('export, verified', verifyAll)
await measured('erasure of a subject', () => retention.erase('consent-7', 'asked for'))
ahead = 91 * DAY
await measured('compliance, all due', () =>
  checkCompliance({ ...parts, log }, gdpr, { now: clock.now(), region: 'EU' }),
)
await measured('purge of all', () => retention.purge(gdpr, 'EU'))
await measured('purge, its proof', async () => {
  const [first] = await listRemovals({ ...parts, log })
  if (first === undefined) return
  const { index } = first
  const order = { reason: 'measured', exporter: 'nobody', content: 'included' as const }
  files.splice(0, files.length, await exporter.make({ ...order, from: index, to: index + 1 }))
  await verifyAll()
})
await measured('export of all, purged', () => exportAll(ENTRIES, 'included'))
await measured('export, verified, purged', verifyAll)
await measured('list of removals', () => listRemovals({ ...parts, log }))
await measured('verify, all purged', async () => {
  const { findings } = await verifyLog({ ...parts, vault, origin: identity.id })
  if (findings.length > 0) throw new Error(JSON.stringify(findings[0]))
})
database.close()
rmSync(directory, { recursive: true, force: true })

async function measured(name: string, work: () => Promise<unknown>): Promise<void> {
  if (!name.startsWith(ONLY)) return
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed + process.memoryUsage().external
  let most = before
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const sampler = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage()
    most = Math.max(most, heapUsed + external)
  }, 50)
  turns.length = 0
  resumed = thread()
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const wall = performance.now() - start
  const used = process.cpuUsage(cpu)
  turns.push(thread() - resumed)
  clearInterval(sampler)
  delay.disable()
  turns.sort((a, b) => a - b)
  const turn = (part: number) => ((turns[Math.ceil(part * turns.length) - 1] ?? 0) / 1000).toFixed(1)
  const ms = (ns: number) => (ns / 1e6).toFixed(1)
  const processor = used.user + used.system
  console.log(
    `${name.padEnd(24)} ${(wall / 1000).toFixed(1)} s, processor ${(processor / 1e6).toFixed(1)} s, ${(processor / ENTRIES).toFixed(0)} us an entry; ` +
      `turns p50 ${turn(0.5)} p99.9 ${turn(0.999)} max ${turn(1)} ms of processor, ${turns.filter((one) => one > 50_000).length} of ${turns.length} above 50; ` +
      `loop delay p50 ${ms(delay.percentile(50))} p99 ${ms(delay.percentile(99))} max ${ms(delay.max)} ms; ` +
      `memory +${((most - before) / 1e6).toFixed(0)} MB`,
  )
}

/** Processor time of this thread, microseconds. */
function thread(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}
