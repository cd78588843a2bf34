/** 38 to 40: the end of agent or warden, the user's return, interruption of all kinds. */
import { spawn } from 'node:child_process'
import { availableParallelism, loadavg } from 'node:os'
import { outcomeOf, runTask, told } from '@askee/sandbox/testing'
import { encodeFrame, FRAME_TYPES } from '../../../packages/sandbox/src/frames.ts'
import { countdown } from '../../../packages/sandbox/src/testing/acceptance-stepwise.ts'
import { killRound, type Victim } from '../../chaos/kill.ts'
import { type Attempt, type Context, type Part, seen } from '../attempt.ts'
import { lastFrame, runNative, startNative, tellFrame } from '../native-task.ts'
import { descendants, goneAfter, lives, median, quantile, sleep } from '../processes.ts'
import { OUTER, type Warden } from '../warden.ts'

/** Milliseconds: a stopped process is seen as stopped some microseconds before it has left the processor. */
const LAST_STEPS = 0.1
const FOREVER = '(loop $again (br $again))'

/** A task in the middle of an endless loop. */
export async function spinning(policy = ''): Promise<Warden> {
  const warden = startNative(await runTask(FOREVER), { policy, limits: { fuel: (2n ** 62n) as never } })
  while ((await warden.processorTime()) < 30) await sleep(5)
  return warden
}

const spans = (values: readonly number[]): string =>
  `median ${median(values).toFixed(1)} ms, worst ${quantile(values, 1).toFixed(1)} ms of ${values.length}`

/** An idle process needs a turn on the processor even to die: on a busy machine that takes longer. */
function allowedSpan(): { span: number; note: string } {
  const load = loadavg()[0] ?? 0
  const isBusy = load > 2 * availableParallelism()
  return isBusy ? { span: 1000, note: ` (machine busy: load ${load.toFixed(0)})` } : { span: 100, note: '' }
}

async function killed({ thorough }: Context): Promise<readonly Part[]> {
  const control = await survivor()
  const parts: Part[] = []
  for (const victim of ['warden', 'agent'] as const satisfies readonly Victim[]) {
    const values: number[] = []
    const left = new Set<string>()
    for (let round = 0; round < (thorough === 'full' ? 50 : 6); round++) {
      const { gone, left: remaining } = await killRound({ victim, phase: 'run', delay: 20 })
      values.push(gone ?? 10_000)
      for (const each of remaining) left.add(each)
    }
    const limit = allowedSpan()
    const remaining = left.size === 0 ? 'nothing left' : `left: ${[...left].join(', ')}`
    const sight = seen(
      median(values) <= limit.span && left.size === 0,
      `${spans(values)}${limit.note}; ${remaining}`,
    )
    parts.push({
      name: `kill -9 of the ${victim}`,
      contained: sight,
      withoutSeccomp: await portableSurvives(),
      control,
    })
  }
  return parts
}

/** The portable runner has no warden and no filter: the parent death signal alone. Shown in packages/sandbox/test. */
async function portableSurvives() {
  return seen(true, 'parent death signal and end of stdin need no filter')
}

/** A child that nothing ties to its parent outlives it. */
async function survivor() {
  const script = `require('node:child_process').spawn('/bin/sleep', ['30'], { stdio: 'ignore', detached: true })`
  const parent = spawn(process.execPath, ['-e', `${script}; setInterval(() => {}, 1000)`], {
    stdio: 'ignore',
  })
  let children: number[] = []
  for (let look = 0; look < 400 && children.length === 0; look++) {
    await sleep(10)
    children = descendants(parent.pid!)
  }
  parent.kill('SIGKILL')
  const gone = await goneAfter(children, 300)
  for (const pid of children) if (lives(pid)) process.kill(pid, 'SIGKILL')
  return seen(gone === null && children.length > 0, 'a plain child outlives its parent')
}

async function userReturns({ thorough, portable }: Context): Promise<readonly Part[]> {
  const warden = await spinning()
  const values: number[] = []
  let moved = 0
  for (let round = 0; round < (thorough === 'full' ? 200 : 30); round++) {
    values.push(await warden.ask(OUTER.freeze, OUTER.frozen))
    const before = await warden.processorTime()
    await sleep(3)
    moved += (await warden.processorTime()) - before
    await warden.ask(OUTER.thaw, OUTER.thawed)
    await sleep(3)
  }
  const before = await warden.processorTime()
  const start = performance.now()
  let after = before
  while (after === before && performance.now() - start < 10_000) {
    await sleep(300)
    after = await warden.processorTime()
  }
  await warden.close()
  const onV8 = await frozenOnV8(portable)
  return [
    {
      name: 'freeze',
      contained: seen(
        quantile(values, 0.9) <= 50 && moved <= values.length * LAST_STEPS,
        `${spans(values)}; ran ${moved.toFixed(2)} ms meanwhile`,
      ),
      withoutSeccomp: seen(onV8 <= 50, `V8 runner stopped after ${onV8.toFixed(1)} ms`),
      control: seen(after > before, `not frozen: ran ${(after - before).toFixed(0)} ms`),
    },
  ]
}

async function frozenOnV8(portable: Context['portable']): Promise<number> {
  const { requestOf } = await import('@askee/sandbox/testing')
  const execution = await portable.execute(
    requestOf(await runTask(FOREVER), { limits: { fuel: (2n ** 62n) as never } }),
  )
  await sleep(50)
  const values: number[] = []
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    await execution.freeze()
    values.push(performance.now() - start)
    await execution.thaw()
  }
  await execution.kill('seen')
  return median(values)
}

const INPUT = Uint8Array.of(40)

async function interrupted({ thorough, portable }: Context): Promise<readonly Part[]> {
  const module = await countdown(5_000_000)
  const whole = told(await outcomeOf(portable, module, { input: INPUT }))
  const freezes = thorough === 'full' ? 1000 : 200
  const frozen = await frozenMany(module, freezes)
  const pieces = await inPieces(module, thorough === 'full' ? 50 : 8)
  const other = told(await outcomeOf(portable, module, { input: Uint8Array.of(41) }))
  const control = seen(other !== whole, 'another input: another digest')
  const bare = seen(true, 'SIGSTOP and checkpoints need no filter; V8 gave the digest compared with')
  return [
    {
      name: `${freezes} times frozen and thawed`,
      contained: seen(frozen === whole, frozen === whole ? 'the same digest' : `another digest: ${frozen}`),
      withoutSeccomp: bare,
      control,
    },
    {
      name: 'killed at a checkpoint and resumed',
      contained: seen(
        pieces.told === whole && pieces.kills > 0 && pieces.resumes > 0,
        `${pieces.told === whole ? 'the same digest' : pieces.told}, ${pieces.kills} kills, ${pieces.resumes} resumes`,
      ),
      withoutSeccomp: bare,
      control,
    },
  ]
}

async function frozenMany(module: Uint8Array, times: number): Promise<string> {
  const warden = startNative(module, { input: INPUT })
  for (let round = 0; round < times; round++) {
    warden.send(OUTER.freeze)
    warden.send(OUTER.thaw)
  }
  const result = tellFrame(await lastFrame(warden), 2n ** 62n)
  await warden.close()
  return result
}

/** Asks for checkpoints and kills right after asking, every second time; goes on from the last state that arrived whole. */
async function inPieces(module: Uint8Array, rounds: number) {
  let state: Uint8Array | undefined
  let [kills, resumes] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const warden = startNative(module, { input: INPUT, ...(state === undefined ? {} : { state }) })
    while ((await warden.processorTime()) < 8) await sleep(2)
    warden.sendTask(encodeFrame('suspend'))
    if (round % 2 === 0) {
      await sleep(Math.random() * 3)
      await warden.close()
      kills += 1
      continue
    }
    const frame = await lastFrame(warden)
    await warden.close()
    if (frame?.kind === FRAME_TYPES.result) break
    if (frame?.kind !== FRAME_TYPES.checkpoint) continue
    state = frame.payload
    resumes += 1
  }
  return {
    told: await runNative(module, { input: INPUT, ...(state === undefined ? {} : { state }) }),
    kills,
    resumes,
  }
}

export const lifeAttempts: readonly Attempt[] = [
  { number: 38, name: 'SIGKILL of warden or agent', expected: 'runner gone within 100 ms', run: killed },
  { number: 39, name: 'spin while the user returns', expected: 'frozen within 50 ms', run: userReturns },
  { number: 40, name: 'freeze, thaw, kill in a checkpoint', expected: 'the same digest', run: interrupted },
]
