/**
 * `npm run bench`: what this machine can, each figure beside a reference of the same run and a control that must fail.
 * Exit code 1 when a least is missed or a control is not flagged. `--json` prints one array.
 */
import { availableParallelism, loadavg } from 'node:os'
import { loadModule, WORKLOADS } from '@askee/workloads'
import { formatTable } from '../../apps/cli/src/terminal/table.ts'
import { measureAppend } from '../../packages/audit/bench/append.ts'
import { measureCoordination, memoryMeshFactory } from '../../packages/compute/bench/coordination.ts'
import { measureTokens } from '../../packages/consent/bench/tokens.ts'
import { measureEnvelopes } from '../../packages/keys/bench/envelope.ts'
import { measureSessions } from '../../packages/keys/bench/session.ts'
import { measureEncryption } from '../../packages/store/bench/measure.ts'
import { ownCases } from '../../packages/wasm/bench/own-cases.ts'
import { measurePass, type PassCase } from '../../packages/wasm/bench/pass.ts'
import { deathMeasures, freezeMeasures, startMeasures } from './containment.ts'
import { libp2pMeshFactory, slowed } from './libp2p-factory.ts'
import { described, figure, type Measure, ratio, verdict } from './measure.ts'
import { measureNativeRatio } from './native-ratio.ts'
import { sealedFactory } from './sealed-factory.ts'

const note = (text: string): void => void process.stderr.write(`${text}\n`)

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

async function coordination(): Promise<Measure> {
  note('M-1: coordinating empty tasks over libp2p …')
  const runs: number[] = []
  const inClear: number[] = []
  const inMemory: number[] = []
  for (let i = 0; i < 3; i++) {
    runs.push((await measureCoordination(sealedFactory(libp2pMeshFactory()), 1_000)).tasksPerSecond)
    inClear.push((await measureCoordination(libp2pMeshFactory(), 1_000)).tasksPerSecond)
    inMemory.push((await measureCoordination(memoryMeshFactory(), 1_000)).tasksPerSecond)
  }
  note('M-1: control …')
  const slow = await measureCoordination(sealedFactory(libp2pMeshFactory(slowed(2_000))), 100)
  return {
    id: 'M-1',
    what: 'verified empty tasks a second, 3 replicas, journal on disk, sealed sessions, one process',
    value: median(runs),
    unit: '/s',
    least: 102,
    aim: 1_000,
    better: 'higher',
    references: [
      { what: 'the same without sessions', value: median(inClear) },
      { what: 'without a network', value: median(inMemory) },
      { what: "BOINC's server (literature)", value: 102 },
    ],
    control: { what: 'every request 2 s late', value: slow.tasksPerSecond },
  }
}

async function pass(): Promise<Measure> {
  note('M-4: the pass on the workloads …')
  const cases: PassCase[] = []
  for (const workload of WORKLOADS.values()) {
    const input = workload.plan('default').next().value?.[0]
    if (input === undefined || typeof input === 'string') continue
    cases.push({ name: workload.name, module: await loadModule(workload.moduleName), input })
  }
  const { rows, ratio } = measurePass(cases)
  for (const row of rows) note(`  ${row.name.padEnd(20)} ${row.ratio.toFixed(3)}`)
  const recursion = (await ownCases()).filter(({ name }) => /fib|recurs/.test(name))
  const control = measurePass(recursion)
  return {
    id: 'M-4',
    what: 'instrumented ÷ original on V8, geometric mean of the workloads',
    value: ratio,
    unit: '×',
    least: 1.3,
    aim: 1.1,
    better: 'lower',
    references: [{ what: "wasmtime's own fuel (literature)", value: 1.25 }],
    control: { what: 'nothing but recursive calls', value: control.ratio },
  }
}

function encryption(): Measure {
  note('STO-1: an encrypted database beside a plain one …')
  const { ratio, chacha20, rowByRow } = measureEncryption()
  return {
    id: 'STO-1',
    what: 'processor time of an encrypted database ÷ a plain one, rows written and read',
    value: ratio,
    unit: '×',
    least: 3,
    aim: 1.5,
    better: 'lower',
    references: [
      { what: 'plain SQLite', value: 1 },
      { what: 'the same with ChaCha20', value: chacha20 },
    ],
    control: { what: 'one transaction a row', value: rowByRow },
  }
}

async function envelopes(): Promise<Measure> {
  note('MSG-1: sealing and opening messages …')
  const { seal, open, sealDouble, openDouble, rawSeal, rawOpen } = await measureEnvelopes()
  note(`  sealed ${seal.toFixed(0)}, opened ${open.toFixed(0)} a second of processor time`)
  return {
    id: 'MSG-1',
    what: 'processor time of a sealed and opened message ÷ the same primitives of node:crypto by hand',
    value: Math.sqrt((rawSeal / seal) * (rawOpen / open)),
    unit: '×',
    least: 4,
    aim: 2,
    better: 'lower',
    references: [{ what: 'by hand', value: 1 }],
    control: {
      what: 'two layers for one',
      value: Math.sqrt((rawSeal / sealDouble) * (rawOpen / openDouble)),
    },
  }
}

async function sessions(): Promise<Measure[]> {
  note('M-8: verifying the messages of sessions …')
  const figures = measureSessions()
  const { seal, open } = await measureEnvelopes()
  note(`  an envelope for each: sealed ${seal.toFixed(0)}, opened ${open.toFixed(0)} a second`)
  return [
    {
      id: 'M-8',
      what: 'messages of 1 KiB verified and opened in a session, a second of processor time',
      value: figures.opened,
      unit: '/s',
      least: 10_000,
      aim: 50_000,
      better: 'higher',
      references: [{ what: 'a bare Ed25519 verification each', value: figures.rawVerified }],
      control: { what: 'an envelope for each', value: open },
    },
    {
      id: 'M-8',
      what: 'verifying and opening a message of a session, p99',
      value: figures.p99,
      unit: 'ms',
      least: 5,
      aim: 0.2,
      better: 'lower',
      references: [{ what: 'a bare Ed25519 verification', value: figures.rawP99 }],
      control: { what: 'a hundred signatures for one', value: figures.hundredP99 },
    },
  ]
}

async function tokens(): Promise<Measure> {
  note('CON-2: verifying tokens …')
  const { token, attenuated, raw } = await measureTokens()
  note(`  ${token.toFixed(0)} tokens a second of processor time, ${raw.toFixed(0)} bare signatures`)
  return {
    id: 'CON-2',
    what: "processor time of a token's verification, revocations included ÷ its bare Ed25519 signature by node:crypto",
    value: raw / token,
    unit: '×',
    least: 3,
    aim: 1.5,
    better: 'lower',
    references: [{ what: 'the bare signature', value: 1 }],
    control: { what: 'a token twice attenuated, three signatures', value: raw / attenuated },
  }
}

async function acts(): Promise<Measure> {
  note('AUD-1: acts into the log, beside bare inserts …')
  const { log, single, raw } = await measureAppend()
  note(`  ${log.toFixed(0)} acts a second of processor time, one by one ${single.toFixed(0)}`)
  return {
    id: 'AUD-1',
    what: 'processor time of an act in the log (batches of 500) ÷ two bare inserts of its size into plain SQLite',
    value: raw / log,
    unit: '×',
    least: 100,
    aim: 30,
    better: 'lower',
    references: [{ what: 'bare inserts', value: 1 }],
    control: { what: 'one transaction an act', value: raw / single },
  }
}

/** Any of them alone: `node test/bench/main.ts M-5 STO-1`. */
const only = process.argv.slice(2).filter((argument) => /^[A-Z]+-\d/.test(argument))
const isAsked = (id: string) => only.length === 0 || only.includes(id)
const load = loadavg()[0] ?? 0
if (load > availableParallelism()) {
  note(
    `The machine is busy (load ${load.toFixed(1)}): single times say little now, and native work gives way.`,
  )
}
const measures: Measure[] = []
if (isAsked('M-1')) measures.push(await coordination())
if (isAsked('M-3')) measures.push(...[await measureNativeRatio(note)].filter((one) => one !== null))
if (isAsked('M-4')) measures.push(await pass())
if (isAsked('M-5')) measures.push(...(await startMeasures(note)))
if (isAsked('M-6')) measures.push(...(await freezeMeasures(note)), ...(await deathMeasures(note)))
if (isAsked('M-8')) measures.push(...(await sessions()))
if (isAsked('STO-1')) measures.push(encryption())
if (isAsked('MSG-1')) measures.push(await envelopes())
if (isAsked('CON-2')) measures.push(await tokens())
if (isAsked('AUD-1')) measures.push(await acts())

if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify(measures.map((m) => ({ ...m, verdict: verdict(m) })))}\n`)
} else {
  const columns = ['measure', 'figure', 'least', 'aim', 'reference', 'ratio', 'control', 'verdict'].map(
    (title) => ({
      title,
      align: 'left' as const,
    }),
  )
  const rows = measures.map((m) => [
    `${m.id} ${m.what}`,
    `${figure(m.value)} ${m.unit}`,
    figure(m.least),
    figure(m.aim),
    described(m.references),
    ratio(m),
    `${m.control.what}: ${figure(m.control.value)}`,
    verdict(m),
  ])
  process.stdout.write(`${formatTable(columns, rows)}\n`)
}
process.exit(measures.every((m) => ['aim reached', 'least reached'].includes(verdict(m))) ? 0 : 1)
