/** 10: the limits of compiling, also where the warden inherited lower ones. */
import { outcomeOf, runTask, told } from '@askee/sandbox/testing'
import { instrument } from '@askee/wasm'
import { type Code, get, ModuleBuilder, set, type } from '@askee/wasm/testing'
import {
  type Attempt,
  type Context,
  doesNotApply,
  type Part,
  type Seen,
  seen,
  stops,
  together,
} from '../attempt.ts'
import { type NativeTask, runNative } from '../native-task.ts'
import { probe } from './namespaces.ts'

/** Lower than what the warden sets: a kernel that refuses one limit must not cost the others. */
const LOWER_LIMITS = ['/usr/bin/prlimit', '--sigpending=4:4', '--nice=0:0', '--']
/** Half of what a runner gets elsewhere. */
const SMALL_STACK = ['/usr/bin/prlimit', '--stack=8388608:8388608', '--']
const LIMIT_LAYERS = ['data-limit', 'stack-limit', 'process-limit', 'rlimits']

/** Long functions of values that all stay alive: small to admit, slow to compile. */
export function compileBomb(functions: number): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 1).exportMemory()
  const locals = new Array<number>(400).fill(type.i64)
  const code: Code[] = []
  for (let at = 0; at < 40_000; at++) {
    const [a, b, c] = [at * 7, at * 13 + 1, at * 29 + 2].map((index) => index % locals.length) as [
      number,
      number,
      number,
    ]
    code.push([get(a), get(b), 0x7e, get(c), 0x85, set(a)])
    if (at % 40 === 0) code.push([get(c), 0x50, 0x04, 0x40, get(b), set(c), 0x0b])
  }
  let last = 0
  for (let index = 0; index < functions; index++) last = builder.func([], [], locals, code)
  return instrument(builder.exportFunction('run', last).bytes()).bytes
}

const SECOND = 'compile-cpu-seconds 1'
const SIXTY_FOUR_MIB = 'compile-memory-bytes 67108864'

async function bomb(context: Context): Promise<readonly Part[]> {
  // Several seconds on a fast, quiet machine: the kernel counts processor time in whole ones.
  const module = compileBomb(16)
  const free = await timed(() =>
    runNative(module, { policy: 'compile-cpu-seconds 60', patience: 60_000, limits: { fuel: 1n as never } }),
  )
  const isCompiled = free.told !== 'fault/module'
  const slow = seen(isCompiled && free.span > 2_500, `with 60 s: compiles for ${free.span} ms`)
  const large = seen(isCompiled, 'with 1 GiB: compiles')
  const bare = await onV8(context, module)
  return [
    {
      name: 'processor time',
      contained: await ended(module, { policy: SECOND }),
      withoutSeccomp: bare,
      control: slow,
    },
    {
      name: 'memory',
      contained: await ended(module, { policy: SIXTY_FOUR_MIB }),
      withoutSeccomp: bare,
      control: large,
    },
    {
      name: 'below inherited limits',
      contained: together([
        await ended(module, { policy: SECOND, command: LOWER_LIMITS }),
        allInForce(LOWER_LIMITS),
      ]),
      withoutSeccomp: doesNotApply('the warden and its compiling child are not without it'),
      control: slow,
    },
    await smallStack(),
  ]
}

/** The compiling child is killed, and the next task runs. */
async function ended(module: Uint8Array, task: NativeTask): Promise<Seen> {
  const held = await timed(() => runNative(module, task))
  const after = await runNative(await runTask(''), task)
  return seen(
    held.told === 'fault/module' && /^ null/.test(after),
    `compiling child, ${held.told} after ${held.span} ms; next task: ${after.trim()}`,
  )
}

async function onV8({ portable }: Context, module: Uint8Array): Promise<Seen> {
  const limits = { wallTime: 1500, fuel: 1_000_000_000n as never }
  const v8 = await timed(async () => told(await outcomeOf(portable, module, { limits })))
  return seen(v8.span < 10_000, `V8, lazily or by wall time: ${v8.told} after ${v8.span} ms`)
}

function allInForce(command: readonly string[]): Seen {
  const { tier, layers } = probe(command)
  const enforced = layers.filter(({ state }) => state === 'enforced').map(({ name }) => name)
  const lacking = LIMIT_LAYERS.filter((name) => !enforced.includes(name))
  return seen(
    lacking.length === 0,
    `tier ${tier}; limits ${lacking.length === 0 ? 'all seen in force' : `missing: ${lacking}`}`,
  )
}

/** A task would end in a fault where others give a result: nothing is started, and the reason told. */
async function smallStack(): Promise<Part> {
  const harmless = await runTask('')
  const report = probe(SMALL_STACK)
  const reason =
    report.layers.find(({ name, state }) => name === 'start' && state === 'missing')?.detail ?? ''
  return {
    name: 'a stack smaller than elsewhere',
    contained: together([
      stops(await runNative(harmless, { command: SMALL_STACK }), /^refused: start: .*stack/),
      seen(
        report.tier === 'process' && reason.includes('stack'),
        `told by --probe: tier ${report.tier}, nothing starts`,
      ),
    ]),
    withoutSeccomp: doesNotApply('nothing starts'),
    control: stops(await runNative(harmless), /^ null \d+$/),
  }
}

async function timed(run: () => Promise<string>): Promise<{ told: string; span: number }> {
  const start = performance.now()
  const result = await run()
  return { told: result, span: Math.round(performance.now() - start) }
}

export const limitAttempts: readonly Attempt[] = [
  { number: 10, name: 'compile bomb', expected: 'compiling child killed, agent alive', run: bomb },
]
