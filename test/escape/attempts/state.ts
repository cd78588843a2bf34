/** 15, 17, 18: log lines, checkpoints, compiled code kept on disk. */
import { createHmac } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LIMITS, outcomeOf, requestOf, runTask, told } from '@askee/sandbox/testing'
import { openCheckpoint } from '../../../packages/sandbox/src/checkpoint.ts'
import { FRAME_TYPES } from '../../../packages/sandbox/src/frames.ts'
import { readModuleShape } from '../../../packages/sandbox/src/module-shape.ts'
import { countdown } from '../../../packages/sandbox/src/testing/acceptance-stepwise.ts'
import { type Attempt, type Context, type Part, seen, stops } from '../attempt.ts'
import { runNative, startNative } from '../native-task.ts'
import { sleep } from '../processes.ts'

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
      withoutSeccomp: escaped,
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

/** Puts `compiled` under the name of another module, with the MAC of `key`. */
function forge(file: string, compiled: Buffer, key: Buffer): void {
  const magic = Buffer.from('ASKEECM1')
  const name = Buffer.from(file.match(/([0-9a-f]{64})\.compiled$/)![1]!, 'hex')
  const mac = createHmac('sha256', key).update(magic).update(name).update(compiled).digest()
  writeFileSync(file, Buffer.concat([magic, mac, compiled]))
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
    const files = readdirSync(directory).map((name) => join(directory, name))
    if (files.length !== 2) throw new Error(`expected two compiled modules, found ${files.length}`)
    const [a, b] = files as [string, string]
    // Each gets the other's code: which is whose does not matter.
    const compiled = [a, b].map((file) => readFileSync(file).subarray(40))
    forge(a, compiled[1]!, KEY)
    forge(b, compiled[0]!, KEY)
    const swapped = await runNative(good, { policy })
    const control = seen(
      swapped.startsWith('02'),
      `with the key itself: the other code runs (${swapped.slice(0, 2)})`,
    )
    const parts: Part[] = []
    for (const name of ['another key', 'one bit', 'cut'] as const) {
      for (const [index, file] of [a, b].entries()) {
        forge(file, compiled[1 - index]!, name === 'another key' ? Buffer.alloc(32, 8) : KEY)
        const bytes = readFileSync(file)
        if (name === 'one bit')
          writeFileSync(file, Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]))
        if (name === 'cut') writeFileSync(file, bytes.subarray(0, 100))
      }
      const again = await runNative(good, { policy })
      const sight = seen(again === first, `MAC: thrown away, compiled again (${again.slice(0, 2)})`)
      parts.push({ name, contained: sight, withoutSeccomp: sight, control })
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
