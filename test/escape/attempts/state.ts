/** 15, 17, 18: log lines, checkpoints, compiled code kept on disk. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '@askee/core'
import { LIMITS, outcomeOf, requestOf, runTask, told } from '@askee/sandbox/testing'
import { openCheckpoint } from '../../../packages/sandbox/src/checkpoint.ts'
import { FRAME_TYPES } from '../../../packages/sandbox/src/frames.ts'
import { readModuleShape } from '../../../packages/sandbox/src/module-shape.ts'
import { compiledIdentity } from '../../../packages/sandbox/src/native/compiled-cache.ts'
import { countdown } from '../../../packages/sandbox/src/testing/acceptance-stepwise.ts'
import {
  compiledFileName,
  openCompiled,
  sealCompiled,
} from '../../../packages/sandbox/test/support/compiled-file.ts'
import { type Attempt, type Context, doesNotApply, type Part, seen, stops } from '../attempt.ts'
import { runNative, startNative } from '../native-task.ts'
import { sleep } from '../processes.ts'
import { Warden } from '../warden.ts'

const TRICK = '\\1b]0;owned\\07\\1b[2J\\e2\\80\\ae\\0d'

async function terminalEscapes({ portable }: Context): Promise<readonly Part[]> {
  const module = await runTask('(call $log (i32.const 0) (i32.const 18))', `(data (i32.const 0) "${TRICK}")`)
  const lines: string[] = []
  await outcomeOf(portable, module, { onLog: (line) => lines.push(line) })
  const line = lines[0] ?? ''
  const isPlain = /^[\x20-\x7e]+$/.test(line)
  const warden = startNative(module)
  const raw = await warden.untilInner(FRAME_TYPES.log)
  await warden.close()
  const isRaw = raw?.kind === FRAME_TYPES.log && raw.payload.includes(0x1b)
  const escaped = seen(isPlain && line.includes('\\u{1b}'), `agent escapes: ${line.slice(0, 24)}`)
  return [
    {
      name: 'log',
      contained: escaped,
      withoutSeccomp: doesNotApply('the agent escapes what any runner says'),
      control: seen(isRaw, isRaw ? 'what the runner says holds ESC' : 'no ESC arrived'),
    },
  ]
}

async function forgedCheckpoint({ portable }: Context): Promise<readonly Part[]> {
  const module = await countdown(3_000_000)
  const input = Uint8Array.of(60)
  const execution = await portable.execute(requestOf(module, { input }))
  await sleep(30)
  await execution.checkpoint()
  const outcome = await execution.outcome
  if (outcome.kind !== 'checkpointed') throw new Error(`expected a checkpoint, received ${told(outcome)}`)
  const { checkpoint } = outcome
  const bounds = { ...readModuleShape(module), fuel: LIMITS.fuel, outputBytes: LIMITS.outputBytes }
  const state = openCheckpoint(checkpoint, module, input, bounds)
  const resumed = await runNative(module, { input, state })
  const whole = told(await outcomeOf(portable, module, { input }))
  const control = seen(resumed === whole, 'a true one resumes on the other engine, same digest')
  const parts: Part[] = []
  for (const [name, at] of [
    ['fuel', 7],
    ['words of state', 8],
    ['output length', state.byteLength - 5],
  ] as const) {
    const forged = state.slice()
    forged[at]! ^= 0xff
    const envelope = checkpoint.slice()
    envelope[74 + at]! ^= 0xff
    parts.push({
      name: `${name} changed`,
      contained: stops(
        `runner: ${await runNative(module, { input, state: forged })}`,
        'runner: fault/bad-checkpoint',
      ),
      withoutSeccomp: stops(
        `agent: ${told(await outcomeOf(portable, module, { input, resumeFrom: envelope }))}`,
        'agent: fault/bad-checkpoint',
      ),
      control,
    })
  }
  return parts
}

const KEY = Buffer.alloc(32, 7)

/** What the runner of this machine says of itself. */
async function helloOfRunner(): Promise<string> {
  const warden = new Warden('')
  try {
    const frame = await warden.untilInner(FRAME_TYPES.hello)
    if (frame === null) throw new Error('the runner said no HELLO')
    return frame.payload.subarray(2).toString()
  } finally {
    await warden.close()
  }
}

interface Kept {
  readonly identity: Buffer
  readonly file: string
  readonly compiled: Buffer
}

async function forgedCache(): Promise<readonly Part[]> {
  const directory = mkdtempSync(join(tmpdir(), 'askee-escape-cache-'))
  try {
    const policy = `cache-directory ${directory}\ncache-key ${KEY.toString('hex')}`
    const say = (byte: number) =>
      runTask(
        `(i32.store8 (i32.const 0) (i32.const ${byte})) (call $output_write (i32.const 0) (i32.const 1))`,
      )
    const [good, evil] = [await say(1), await say(2)]
    const [first] = [await runNative(good, { policy }), await runNative(evil, { policy })]
    const hello = await helloOfRunner()
    const [a, b] = [good, evil].map((module) => {
      const identity = compiledIdentity(hello, digestOf(module))
      const file = join(directory, compiledFileName(KEY, identity))
      const compiled = openCompiled(KEY, identity, readFileSync(file))
      if (compiled === undefined) throw new Error(`${file} is not what PROTOCOL.md says`)
      return { identity, file, compiled }
    }) as [Kept, Kept]
    /** In the place of the good one: the code of the other. */
    const forge = (key: Buffer): void => writeFileSync(a.file, sealCompiled(key, a.identity, b.compiled))
    forge(KEY)
    const swapped = await runNative(good, { policy })
    const control = seen(
      swapped.startsWith('02'),
      `with the key itself: the other code runs (${swapped.slice(0, 2)})`,
    )
    const parts: Part[] = []
    for (const name of ['another key', 'one bit', 'cut'] as const) {
      forge(name === 'another key' ? Buffer.alloc(32, 8) : KEY)
      const bytes = readFileSync(a.file)
      if (name === 'one bit')
        writeFileSync(a.file, Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]))
      if (name === 'cut') writeFileSync(a.file, bytes.subarray(0, 100))
      const again = await runNative(good, { policy })
      const sight = seen(again === first, `MAC: thrown away, compiled again (${again.slice(0, 2)})`)
      const withoutSeccomp = doesNotApply('the warden looks, before a runner gets anything')
      parts.push({ name, contained: sight, withoutSeccomp, control })
    }
    return parts
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export const stateAttempts: readonly Attempt[] = [
  { number: 15, name: 'terminal escapes in logs', expected: 'escaped', run: terminalEscapes },
  { number: 17, name: 'forged checkpoint', expected: 'refused', run: forgedCheckpoint },
  { number: 18, name: 'forged compiled cache', expected: 'MAC fails', run: forgedCache },
]
