/** 3, 4, 9, 11: what is refused before any engine sees it; without admission the engines of the executors refuse too. */
import { AskeeError } from '@askee/core'
import { outcomeOf, told, wat } from '@askee/sandbox/testing'
import { instrument, LIMITS } from '@askee/wasm'
import { type Code, ENGINE, i32, i64, ModuleBuilder, type, u32 } from '@askee/wasm/testing'
import { type Attempt, type Context, type Part, type Seen, seen, stops } from '../attempt.ts'
import { runNative } from '../native-task.ts'

/** As a requester sends it, and as it would reach an engine if admission let it pass. */
type Offence = readonly [plain: Uint8Array, counted: Uint8Array]

const identity = (builder: ModuleBuilder): ModuleBuilder => builder

/** A task but for what `change` does to it. */
function changed(change: (builder: ModuleBuilder) => void, code: Code = [], locals: number[] = []): Offence {
  return [identity, counted].map((prepare) => {
    const builder = prepare(new ModuleBuilder().memory(1, 2).exportMemory())
    change(builder)
    return builder.exportFunction('run', builder.func([], [], locals, [code])).bytes()
  }) as unknown as Offence
}

/** With the counters of an instrumented module, so that nothing but the offence can be refused by an engine. */
function counted(builder: ModuleBuilder): ModuleBuilder {
  builder.exportGlobal('askee_fuel', builder.global(type.i64, 'mutable', i64(0n)))
  return builder.exportGlobal('askee_stack', builder.global(type.i32, 'mutable', i32(1000)))
}

const body = (code: Code): Offence => changed(() => undefined, code)
const vector = [0xfd, 12, new Array<number>(16).fill(0)]

const FORBIDDEN: readonly (readonly [name: string, code: string, offence: Offence])[] = [
  ['threads', 'wasm/threads', changed((builder) => builder.memoryRaw([3, 1, 2]))],
  ['memory64', 'wasm/memory64', changed((builder) => builder.memoryRaw([5, 1, 2]))],
  ['relaxed SIMD', 'wasm/relaxed-simd', body([vector, vector, vector, 0xfd, u32(0x105), 0x1a])],
  ['garbage collection', 'wasm/gc', withType([0x5f, 0])],
  ['exceptions', 'wasm/exceptions', body([0x06, 0x40, 0x0b])],
  ['tail calls', 'wasm/tail-call', body([0x12, 0])],
]

function withType(bytes: readonly number[]): Offence {
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, bytes.length + 1, 1, ...bytes)
  return [module, module]
}

function admission(bytes: Uint8Array, code: string): Seen {
  try {
    instrument(bytes)
    return seen(false, 'admitted')
  } catch (error) {
    const received = error instanceof AskeeError ? error.code : String(error)
    return seen(received === code, `admission: ${received}`)
  }
}

/** What the next layer does: told, and judged only where it must refuse. */
async function nextLayer(
  { portable }: Context,
  bytes: Uint8Array,
  must: 'refuse' | 'contain',
): Promise<Seen> {
  const wasmtime = (await runNative(bytes)).trim()
  const v8 = told(await outcomeOf(portable, bytes, { limits: { wallTime: 1500 } })).trim()
  return seen(
    must === 'contain' || wasmtime === 'fault/module',
    `admission; next wasmtime ${wasmtime}, V8 ${v8}`,
  )
}

function taken(bytes: Uint8Array): Seen {
  const isTaken = ENGINE.validate(bytes)
  return seen(isTaken, isTaken ? 'V8 alone takes it' : 'V8 alone refuses it')
}

type Case = readonly [name: string, code: string, offence: Offence]

async function parts(
  context: Context,
  cases: readonly Case[],
  must: 'refuse' | 'contain',
): Promise<readonly Part[]> {
  const done: Part[] = []
  for (const [name, code, [plain, withCounters]] of cases) {
    const contained = admission(plain, code)
    const withoutSeccomp = await nextLayer(context, withCounters, must)
    done.push({ name, contained, withoutSeccomp, control: taken(plain) })
  }
  return done
}

function giants(): readonly Case[] {
  const deep = LIMITS.nesting + 1
  const targets = LIMITS.branchTargets + 1
  const locals = new Array<number>(LIMITS.locals + 1).fill(type.i32)
  const blocks = [...new Array(deep).fill([0x02, 0x40]), ...new Array(deep).fill(0x0b)]
  return [
    [
      'br_table',
      'wasm/too-large',
      body([i32(0), 0x0e, u32(targets), new Array<number>(targets + 1).fill(0)]),
    ],
    ['locals', 'wasm/too-large', changed(identity, [], locals)],
    ['nesting', 'wasm/too-large', body(blocks)],
  ]
}

/** A custom section that alone is larger than a module may be. */
function oversized(): Uint8Array {
  const padding = LIMITS.moduleBytes
  return Uint8Array.from([...body([])[0], 0, ...u32(padding + 2), 1, 0x78, ...new Uint8Array(padding)])
}

async function unknownImport(context: Context): Promise<readonly Part[]> {
  const name = 'env.read_file'
  const bytes = await wat(`(module (import "env" "read_file" (func)) (memory (export "memory") 1 1)
    (global (export "askee_fuel") (mut i64) (i64.const 0)) (global (export "askee_stack") (mut i32) (i32.const 9))
    (func (export "run") (call 0)))`)
  const plain = await wat(`(module (import "env" "read_file" (func)) (memory (export "memory") 1 1)
    (func (export "run") (call 0)))`)
  let called = 0
  const imports = { env: { read_file: () => (called += 1) } }
  const instance = new ENGINE.Instance(new ENGINE.Module(plain), imports)
  ;(instance.exports.run as () => void)()
  return [
    {
      name,
      contained: admission(plain, 'wasm/unknown-import'),
      withoutSeccomp: await nextLayer(context, bytes, 'refuse'),
      control: seen(called === 1, `V8 alone calls whatever the host gives (${called} call)`),
    },
  ]
}

/** Admission has no part in what a frame may hold: a LOAD over its cap ends the warden. */
async function oversizedModule(): Promise<readonly Part[]> {
  const bytes = oversized()
  const huge = new Uint8Array(64 * 1024 * 1024 + 128 * 1024)
  const told = await runNative(huge, { patience: 20_000 })
  return [
    {
      name: 'oversized',
      contained: admission(bytes, 'wasm/too-large'),
      withoutSeccomp: stops(`admission off too: LOAD over its cap, warden: ${told}`, /warden: no answer$/),
      control: taken(bytes),
    },
  ]
}

export const admissionAttempts: readonly Attempt[] = [
  {
    number: 3,
    name: 'forbidden proposals',
    expected: 'refused at admission, by name and offset',
    run: (context) => parts(context, FORBIDDEN, 'refuse'),
  },
  { number: 4, name: 'unknown import', expected: 'refused at admission', run: unknownImport },
  {
    number: 9,
    name: 'giant br_table, locals, nesting',
    expected: 'refused at admission',
    run: (context) => parts(context, giants(), 'contain'),
  },
  { number: 11, name: 'oversized module', expected: 'refused at admission', run: oversizedModule },
]
