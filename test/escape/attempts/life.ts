/** 38 to 40: the end of agent or warden, the user's return, interruption of all kinds. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { outcomeOf, requestOf, runTask, told } from '@askee/sandbox/testing'
import { encodeFrame, FRAME_TYPES } from '../../../packages/sandbox/src/frames.ts'
import { countdown } from '../../../packages/sandbox/src/testing/acceptance-stepwise.ts'
import { killRound, type Victim } from '../../chaos/kill.ts'
import { type Attempt, type Context, doesNotApply, type Part, type Seen, seen } from '../attempt.ts'
import { lastFrame, runNative, startNative, tellFrame } from '../native-task.ts'
import { descendants, goneAfter, lives, median, quantile, sleep } from '../processes.ts'
import { OUTER, type Warden } from '../warden.ts'

/** Milliseconds: a stopped process is seen as stopped some microseconds before it has left the processor. */
const LAST_STEPS = 0.1
const FOREVER = '(loop $again (br $again))'
const ENDLESS = { fuel: (2n ** 62n) as never }
/** Two tasks, one of them frozen, and a spare in portable runners. */
const PORTABLE_AGENT = fileURLToPath(
  new URL('../../../packages/sandbox/test/agent-death.ts', import.meta.url),
)

/** A task in the middle of an endless loop. */
export async function spinning(policy = ''): Promise<Warden> {
  const warden = startNative(await runTask(FOREVER), { policy, limits: { fuel: (2n ** 62n) as never } })
  while ((await warden.processorTime()) < 30) await sleep(5)
  return warden
}

const spans = (values: readonly number[]): string =>
  `median ${median(values).toFixed(1)} ms, worst ${quantile(values, 1).toFixed(1)} ms of ${values.length}`

async function killed({ thorough }: Context): Promise<readonly Part[]> {
  const control = await survivor()
  const parts: Part[] = []
  for (const victim of ['warden', 'agent'] as const satisfies readonly Victim[]) {
    const values: (number | null)[] = []
    const left = new Set<string>()
    for (let round = 0; round < (thorough === 'full' ? 50 : 6); round++) {
      const { gone, left: remaining } = await killRound({ victim, phase: 'run', delay: 20 })
      values.push(gone)
      for (const each of remaining) left.add(each)
    }
    const remaining = left.size === 0 ? 'nothing left' : `left: ${[...left].join(', ')}`
    const ended = allEnded(values)
    parts.push({
      name: `kill -9 of the ${victim}`,
      contained: seen(ended.asExpected && left.size === 0, `${ended.text}; ${remaining}`),
      withoutSeccomp:
        victim === 'agent'
          ? await portableAgents(thorough === 'full' ? 10 : 2)
          : doesNotApply('without a filter there is the portable runner, which has no warden'),
      control,
    })
  }
  return parts
}

/** How long each took to be gone. How long it may take is measured in test/bench (M-6): here the machine may be busy. */
function allEnded(values: readonly (number | null)[]): Seen {
  const ended = values.filter((value) => value !== null)
  return seen(
    ended.length === values.length,
    `${spans(ended)}${ended.length < values.length ? `, ${values.length - ended.length} ran on` : ''}`,
  )
}

/** Kills agents whose tasks run in portable runners, where no filter is. */
async function portableAgents(rounds: number): Promise<Seen> {
  const values: (number | null)[] = []
  for (let round = 0; round < rounds; round++) {
    const agent = spawn(process.execPath, [PORTABLE_AGENT, 'probe'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => agent.once('close', resolve) && agent.stdout.once('data', resolve))
    const children = descendants(agent.pid!)
    agent.kill('SIGKILL')
    values.push(children.length < 3 ? null : await goneAfter(children, 5_000))
    for (const pid of children) if (lives(pid)) process.kill(pid, 'SIGKILL')
  }
  const { asExpected, text } = allEnded(values)
  return seen(asExpected, `V8 in Node: ${text}`)
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
        moved <= values.length * LAST_STEPS,
        `${spans(values)}; ran ${moved.toFixed(2)} ms meanwhile`,
      ),
      withoutSeccomp: onV8,
      control: seen(after > before, `not frozen: ran ${(after - before).toFixed(0)} ms`),
    },
  ]
}

async function frozenOnV8(portable: Context['portable']): Promise<Seen> {
  const execution = await portable.execute(requestOf(await runTask(FOREVER), { limits: ENDLESS }))
  const used = async () => (await execution.usage()).cpuTime
  const goesOn = async (patience = 10_000) => {
    const [before, start] = [await used(), performance.now()]
    while ((await used()) <= before && performance.now() - start < patience) await sleep(20)
    return (await used()) > before
  }
  let runs = await goesOn()
  const values: number[] = []
  let moved = 0
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    await execution.freeze()
    values.push(performance.now() - start)
    const before = await used()
    await sleep(60)
    moved += (await used()) - before
    await execution.thaw()
    runs &&= await goesOn()
  }
  await execution.kill('seen')
  // The kernel counts the time of other programs' processes in steps of 10 ms.
  return seen(
    runs && moved <= 10,
    `V8 in Node: ${spans(values)}; ran ${moved.toFixed(0)} ms meanwhile, ${runs ? 'and afterwards' : 'and no more'}`,
  )
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
  const frozenV8 = await frozenManyOnV8(portable, module, freezes / 4)
  const piecesV8 = await inPiecesOnV8(portable, module, thorough === 'full' ? 50 : 8)
  return [
    {
      name: `${freezes} times frozen and thawed`,
      contained: seen(frozen === whole, frozen === whole ? 'the same digest' : `another digest: ${frozen}`),
      withoutSeccomp: seen(
        frozenV8.told === whole && frozenV8.freezes > 0,
        `V8 in Node, ${frozenV8.freezes} times: ${frozenV8.told === whole ? 'the same digest' : frozenV8.told}`,
      ),
      control,
    },
    {
      name: 'killed at a checkpoint and resumed',
      contained: ofPieces(pieces, whole),
      withoutSeccomp: ofPieces(piecesV8, whole),
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

/** As often as there is time before the task ends, at most `times`. */
async function frozenManyOnV8(portable: Context['portable'], module: Uint8Array, times: number) {
  const execution = await portable.execute(requestOf(module, { input: INPUT }))
  let hasEnded = false
  const outcome = execution.outcome.finally(() => {
    hasEnded = true
  })
  let freezes = 0
  for (; freezes < times && !hasEnded; freezes++) {
    await execution.freeze()
    await execution.thaw()
    await sleep(1)
  }
  return { told: told(await outcome), freezes }
}

interface Pieces {
  readonly told: string
  readonly kills: number
  readonly resumes: number
}

function ofPieces({ told: result, kills, resumes }: Pieces, whole: string): Seen {
  const isSame = result === whole
  return seen(
    isSame && kills > 0 && resumes > 0,
    `${isSame ? 'the same digest' : result}, ${kills} kills, ${resumes} resumes`,
  )
}

/** As {@link inPieces}, on V8 in Node. */
async function inPiecesOnV8(
  portable: Context['portable'],
  module: Uint8Array,
  rounds: number,
): Promise<Pieces> {
  let state: Uint8Array | undefined
  let [kills, resumes] = [0, 0]
  const request = () =>
    requestOf(module, { input: INPUT, ...(state === undefined ? {} : { resumeFrom: state }) })
  for (let round = 0; round < rounds; round++) {
    const execution = await portable.execute(request())
    await sleep(8)
    await execution.checkpoint()
    if (round % 2 === 0) {
      await sleep(Math.random() * 3)
      await execution.kill('seen')
      kills += 1
      continue
    }
    const outcome = await execution.outcome
    if (outcome.kind === 'completed') break
    if (outcome.kind !== 'checkpointed') continue
    state = outcome.checkpoint
    resumes += 1
  }
  const execution = await portable.execute(request())
  return { told: told(await execution.outcome), kills, resumes }
}

/** Asks for checkpoints and kills right after asking, every second time; goes on from the last state that arrived whole. */
async function inPieces(module: Uint8Array, rounds: number): Promise<Pieces> {
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
  {
    number: 38,
    name: 'SIGKILL of warden or agent',
    expected: 'nothing left, and how long it took',
    run: killed,
  },
  {
    number: 39,
    name: 'spin while the user returns',
    expected: 'frozen, and nothing runs until thawed',
    run: userReturns,
  },
  { number: 40, name: 'freeze, thaw, kill in a checkpoint', expected: 'the same digest', run: interrupted },
]
