/** 41: malformed frames from every side: to the agent, to the warden from the agent and from a runner, to the runner. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AskeeError } from '@askee/core'
import { runTask } from '@askee/sandbox/testing'
import { Prng } from '@askee/wasm/testing'
import { encodeFrame, FrameReader, frameHeader } from '../../../packages/sandbox/src/frames.ts'
import { runningCaps } from '../../../packages/sandbox/src/messages.ts'
import { type Attempt, type Context, doesNotApply, type Part, seen } from '../attempt.ts'
import { tinyProgram } from '../elf.ts'
import { runNative, taskStream } from '../native-task.ts'
import { CAUSES, OUTER, outerFrame, PROGRAMS, Warden } from '../warden.ts'

const MILLION = 1_000_000
/** More than a warden needs to hold such a conversation; the kernel refuses what is beyond. */
const WARDEN_BYTES = 64 * 1024 * 1024

/** Damages a well-formed conversation: noise, other bytes, wrong lengths and types, order, cuts. */
function damage(whole: Buffer, random: Prng): Buffer {
  const bytes = Buffer.from(whole)
  const at = random.below(Math.min(bytes.length, 200))
  switch (random.below(6)) {
    case 0:
      return Buffer.from(Array.from({ length: 8 + random.below(24) }, () => random.below(256)))
    case 1:
      bytes[at]! ^= 1 + random.below(255)
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      bytes.writeUInt32LE(random.below(2) === 0 ? 0xffff_ffff : random.below(2 ** 31), 4)
      return bytes
    case 4:
      bytes[3] = random.below(256)
      return bytes
    default:
      return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)])
  }
}

/** The agent's reader, a million times in this process. */
function agentReader(): Part {
  const random = new Prng(41)
  const whole = Buffer.concat([
    encodeFrame('log', Buffer.from('line')),
    encodeFrame('progress', new Uint8Array(24)),
  ])
  let [refused, others] = [0, 0]
  const before = process.memoryUsage().rss
  for (let round = 0; round < MILLION; round++) {
    const reader = new FrameReader(runningCaps(64))
    try {
      for (const { payload } of reader.push(damage(whole, random))) if (payload.byteLength > 4096) others += 1
    } catch (error) {
      if (error instanceof AskeeError && error.code === 'sandbox/frame') refused += 1
      else others += 1
    }
  }
  const grown = Math.round((process.memoryUsage().rss - before) / 2 ** 20)
  const sight = seen(
    others === 0 && refused > MILLION / 2 && grown < 300,
    `${refused} refused, ${others} otherwise, +${grown} MiB`,
  )
  return {
    name: 'to the agent, a million',
    contained: sight,
    withoutSeccomp: doesNotApply('the agent reads, which has no filter'),
    control: seen([...new FrameReader(runningCaps(64)).push(whole)].length === 2, 'undamaged: taken'),
  }
}

interface Tally {
  readonly ends: Map<string, number>
  slowest: number
}

function count(tally: Tally, end: string, start: number): void {
  tally.ends.set(end, (tally.ends.get(end) ?? 0) + 1)
  tally.slowest = Math.max(tally.slowest, performance.now() - start)
}

function ofTally({ ends, slowest }: Tally): string {
  const texts = [...ends].sort(([, a], [, b]) => b - a).map(([end, times]) => `${times} × ${end}`)
  return `${texts.join(', ')}; slowest ${Math.round(slowest)} ms`
}

/** Writes all of it, closes, and waits for the end. */
function feed(file: string, args: readonly string[], bytes: Buffer): Promise<string> {
  const child = spawn(file, args, { env: {}, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.on('error', () => undefined)
  child.stdin.end(bytes)
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  return new Promise((resolve) =>
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve(signal ?? `exit ${code}`)
    }),
  )
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    [1, 2, 3].map(async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item)
    }),
  )
}

/** A whole process for every conversation: a malformed frame ends it, so that one process takes one. */
async function programs(kind: 'warden' | 'runner', times: number): Promise<Part> {
  const random = new Prng(42)
  const module = await runTask('')
  const task = taskStream(module)
  const whole =
    kind === 'runner'
      ? task
      : Buffer.concat([outerFrame(OUTER.policy), outerFrame(OUTER.freeze), outerFrame(OUTER.task, task)])
  const limit = ['/usr/bin/prlimit', [`--data=${WARDEN_BYTES}`, '--core=0', '--', PROGRAMS.warden]] as const
  const tally: Tally = { ends: new Map(), slowest: 0 }
  await inParallel(
    Array.from({ length: times }, () => damage(whole, random)),
    async (bytes) => {
      const start = performance.now()
      const end = kind === 'runner' ? feed(PROGRAMS.runner, [], bytes) : feed(limit[0], limit[1], bytes)
      count(tally, await end, start)
    },
  )
  const fine = [...tally.ends.keys()].every((end) => /^exit [012]$/.test(end))
  const sight = seen(fine, ofTally(tally))
  const undamaged = kind === 'runner' ? await feed(PROGRAMS.runner, [], task) : await runNative(module)
  return {
    name: `to the ${kind}, ${times} processes`,
    contained: sight,
    withoutSeccomp: doesNotApply(`this ${kind} has no filter as it is`),
    control: seen(/^( null \d+|exit 0)$/.test(undamaged), `undamaged: ${undamaged.trim()}`),
  }
}

/** Programs in the runner's place that say something else. */
async function hostileRunners(times: number): Promise<Part> {
  const directory = mkdtempSync(join(tmpdir(), 'askee-escape-hostile-'))
  const random = new Prng(43)
  const hello = Buffer.from(encodeFrame('hello', Buffer.from([1, 0, 0x78])))
  const ready = Buffer.from([0x41, 0x4b, 1, 33, 0, 0, 0, 0])
  const result = Buffer.from(encodeFrame('result', new Uint8Array(25)))
  const spoken = [
    Buffer.concat([hello, hello]),
    Buffer.concat([hello, result]),
    Buffer.from(frameHeader('hello', 0xffff_ffff)),
    ...Array.from({ length: times }, () => damage(Buffer.concat([hello, ready, result]), random)),
  ]
  const tally: Tally = { ends: new Map(), slowest: 0 }
  try {
    await inParallel(spoken, async (bytes) => {
      const start = performance.now()
      // Some of it is well-formed, or only begun: silence is an answer.
      count(tally, await causeOf(directory, bytes, { patience: 1500 }), start)
    })
    const liars = [
      hello,
      result,
      Buffer.concat([Buffer.from(frameHeader('result', 0)).fill(32, 3, 4), result]),
    ]
    const compilers = await Promise.all(liars.map((bytes) => causeOf(directory, bytes, { gets: 'a task' })))
    const claims = await causeOf(directory, Buffer.concat([hello, ready, result]))
    const quiet = await causeOf(directory, hello, { patience: 1500 })
    const fine = [...tally.ends.keys()].every((end) => /^(protocol|not sealed|none|silent)$/.test(end))
    const ended = compilers.every((cause) => /^(killed|protocol)$/.test(cause))
    const text = `a claimed filter: ${claims}; ${ofTally(tally)}; as compilers: ${compilers.join(', ')}`
    const sight = seen(fine && ended && claims === 'not sealed', text)
    return {
      name: `from a runner, ${spoken.length} programs`,
      contained: sight,
      withoutSeccomp: doesNotApply('the warden reads, which has no filter'),
      control: seen(quiet === 'silent', 'one that says HELLO alone: lives'),
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Milliseconds for what shall end: of the lowest priority, on a busy machine it waits. */
const PATIENCE = 20_000
let programCount = 0

/** Starts a warden with a program that says `bytes` and then waits; how that ended, or `silent` after a while. */
async function causeOf(
  directory: string,
  bytes: Buffer,
  { patience = PATIENCE, gets = 'nothing' }: { patience?: number; gets?: 'nothing' | 'a task' } = {},
): Promise<string> {
  const path = join(directory, `program-${programCount++}`)
  writeFileSync(path, tinyProgram(bytes))
  chmodSync(path, 0o755)
  const warden = new Warden(`runner ${path}`)
  if (gets === 'a task') warden.sendTask(taskStream(await runTask('')))
  const timer = setTimeout(() => void warden.close(), patience)
  const frame = await warden.until(OUTER.exit, OUTER.refused)
  clearTimeout(timer)
  await warden.close()
  if (frame === null) return 'silent'
  return frame.kind === OUTER.exit ? (CAUSES[frame.payload[5]!] ?? 'unknown') : frame.payload.toString()
}

export const malformedFrames: Attempt = {
  number: 41,
  name: 'malformed frames',
  expected: 'no crash, bounded memory and time',
  run: async ({ thorough }: Context) => {
    const times = thorough === 'full' ? 2000 : 100
    return [
      agentReader(),
      await programs('warden', times),
      await programs('runner', times),
      await hostileRunners(times / 4),
    ]
  },
}
