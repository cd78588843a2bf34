/** 1, 2, 5 to 8, 12 to 16: modules that admission lets in, on both executors. */
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { createPortableExecutor } from '@askee/sandbox'
import { outcomeOf, type RequestChanges, runTask, task, told, wat } from '@askee/sandbox/testing'
import { instrument } from '@askee/wasm'
import { ENGINE, type EngineGlobal, runInV8 } from '@askee/wasm/testing'
import { components } from '../../../packages/sandbox/test/quiet-logger.ts'
import { type Attempt, type Context, doesNotApply, type Part, type Seen, seen, stops } from '../attempt.ts'
import { type NativeTask, runNative } from '../native-task.ts'

const IMPORTS = `(import "askee" "input_size" (func $input_size (result i32)))
  (import "askee" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "askee" "output_write" (func $output_write (param i32 i32)))
  (import "askee" "log" (func $log (param i32 i32)))`

/** As a requester wrote it: no pass. */
function plainTask(run: string, { pages = '1 4', rest = '' } = {}): Promise<Uint8Array> {
  return wat(`(module ${IMPORTS} (memory (export "memory") ${pages}) ${rest} (func (export "run") ${run}))`)
}

/** Limits alike for both executors. */
type Changes = Pick<RequestChanges, 'input' | 'limits'> & Pick<NativeTask, 'policy'>

/** On wasmtime under every layer, and on V8 without a filter; both must tell the same. */
async function onBoth(
  { portable }: Context,
  module: Uint8Array,
  expected: string | RegExp,
  { policy, ...changes }: Changes = {},
): Promise<Pick<Part, 'contained' | 'withoutSeccomp'>> {
  const wasmtime = await runNative(module, { ...changes, ...(policy === undefined ? {} : { policy }) })
  const v8 = told(await outcomeOf(portable, module, changes))
  const contained = stops(wasmtime, expected)
  const bare = stops(v8, expected)
  if (v8 !== wasmtime) return { contained, withoutSeccomp: seen(false, `differs on V8: ${bare.text}`) }
  return {
    contained: seen(contained.asExpected, `engine: ${contained.text}`),
    withoutSeccomp: seen(bare.asExpected, `same on V8, which has no filter`),
  }
}

/** The same without its offence, on wasmtime. */
async function harmless(
  module: Uint8Array,
  expected: string | RegExp,
  changes: NativeTask = {},
): Promise<Seen> {
  const { asExpected, text } = stops(await runNative(module, changes), expected)
  return seen(asExpected, `without the offence: ${text}`)
}

async function outOfBounds(context: Context): Promise<readonly Part[]> {
  const store = (address: string) =>
    runTask(`(i64.store offset=4294967288 (i32.const ${address}) (i64.const -1))`)
  const inside = await runTask('(i64.store (i32.const 65528) (i64.const -1))')
  const control = await harmless(inside, /^ null \d+$/)
  const parts: Part[] = []
  for (const address of ['0', '-1', '-8']) {
    const sight = await onBoth(context, await store(address), /^ memory-out-of-bounds \d+$/)
    parts.push({ name: `store at 4 GiB - 8 + ${address}`, ...sight, control })
  }
  return parts
}

async function wrongType(context: Context): Promise<readonly Part[]> {
  const module = (kind: string) =>
    task({
      body: `(type $none (func)) (type $one (func (param i64))) (table 1 funcref) (elem (i32.const 0) $target)
        (func $target (type ${kind}) (i32.store (i32.const 0) (i32.const 7)))
        (func (export "run") (call_indirect (type $none) (i32.const 0)))`,
    })
  const sight = await onBoth(context, await module('$one'), /^ indirect-call-mismatch \d+$/)
  return [{ name: 'call_indirect', ...sight, control: await harmless(await module('$none'), /^ null \d+$/) }]
}

/** Runs until `patience` ms are over; true when it ended by itself. */
function endsAlone(plain: Uint8Array, patience: number): Promise<boolean> {
  const code = `const { workerData, parentPort } = require('node:worker_threads')
    const nothing = () => 0
    new WebAssembly.Instance(new WebAssembly.Module(workerData),
      { askee: { input_size: nothing, input_read: nothing, output_write: nothing, log: nothing } }).exports.run()`
  const worker = new Worker(code, { eval: true, workerData: plain })
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(false)
      void worker.terminate()
    }, patience)
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve(true)
    })
    worker.once('error', () => undefined)
  })
}

async function endlessStart(context: Context): Promise<readonly Part[]> {
  const plain = await plainTask('', { rest: '(start $spin) (func $spin (loop $again (br $again)))' })
  const limits = { fuel: 10_000_000n as never }
  const sight = await onBoth(context, instrument(plain).bytes, ' out-of-fuel 10000000', { limits })
  const ended = await endsAlone(plain, 700)
  const control = seen(!ended, ended ? 'ended' : 'without the pass: still running when killed after 700 ms')
  return [{ name: 'loop in start', ...sight, control }]
}

/** How deep V8 gets with one of its compilers. */
function depthOnV8(plain: Uint8Array, flag: string): number {
  const code = `const bytes = Buffer.from('${Buffer.from(plain).toString('base64')}', 'base64')
    const nothing = () => 0
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes),
      { askee: { input_size: nothing, input_read: nothing, output_write: nothing, log: nothing } })
    try { exports.run() } catch {}
    console.log(exports.depth.value)`
  return Number(spawnSync(process.execPath, [flag, '-e', code], { encoding: 'utf8', timeout: 20_000 }).stdout)
}

async function endlessRecursion(context: Context): Promise<readonly Part[]> {
  const rest = `(global $depth (export "depth") (mut i32) (i32.const 0))
    (func $deep (param i64 i64 i64) (result i64) (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
      (i64.add (local.get 0) (call $deep (local.get 1) (local.get 2) (local.get 0))))`
  const plain = await plainTask('(drop (call $deep (i64.const 1) (i64.const 2) (i64.const 3)))', { rest })
  const sight = await onBoth(context, instrument(plain).bytes, /^ stack-overflow \d+$/)
  const depths = ['--liftoff-only', '--no-liftoff'].map((flag) => depthOnV8(plain, flag))
  const differ = depths[0] !== depths[1] && depths.every((depth) => depth > 0)
  const control = seen(differ, `without the pass: depth ${depths.join(' or ')}, by V8's compiler`)
  return [{ name: 'recursion', ...sight, control }]
}

async function growPastMaximum(context: Context): Promise<readonly Part[]> {
  const grow = (pages: number) => `(i32.store (i32.const 0) (memory.grow (i32.const ${pages})))
    (call $output_write (i32.const 0) (i32.const 4))`
  const sight = await onBoth(context, await runTask(grow(4)), /^ffffffff null \d+$/)
  return [
    { name: 'memory.grow', ...sight, control: await harmless(await runTask(grow(3)), /^01000000 null \d+$/) },
  ]
}

async function hostShort({ portable }: Context): Promise<readonly Part[]> {
  const bytes = 96 * 1024 * 1024
  const module = await task({
    pages: [bytes / 65_536, bytes / 65_536],
    body: `(func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const ${bytes})) (loop $again (br $again)))`,
  })
  const limits = { memoryBytes: bytes, fuel: 1_000_000_000n as never }
  const full = await runNative(module, { limits, policy: 'memory-bytes 50331648' })
  const small = createPortableExecutor(components, { overheadBytes: 0, spares: 0 })
  await small.start()
  const endless = { memoryBytes: bytes, fuel: 10_000_000_000_000n as never }
  const v8 = told(
    await outcomeOf(small, await runTask('(loop $again (br $again))'), {
      limits: { ...endless, memoryBytes: 4 * 65_536 },
    }),
  )
  await small.stop()
  const enough = told(await outcomeOf(portable, module, { limits }))
  return [
    {
      name: '96 MiB on a host that gives 48',
      contained: stops(`a fault of this node: ${full}`, /fault\/host-memory|ended: memory/),
      withoutSeccomp: stops(`V8 over what its process may have: ${v8}`, /fault\/host-memory/),
      control: stops(`with room enough: ${enough}`, / out-of-fuel 1000000000$/),
    },
  ]
}

/** NaN with payloads and signs, and operations that make some. */
function nanMatrix(): string {
  const singles = ['nan:0x200001', '-nan:0x212345', 'inf', '-inf', '0', '-1']
  const parts: string[] = []
  let at = 0
  const keep = (type: 'f32' | 'f64', value: string) => {
    parts.push(`(${type}.store (i32.const ${at}) ${value})`)
    at += type === 'f32' ? 4 : 8
  }
  for (const type of ['f32', 'f64'] as const) {
    const other = type === 'f32' ? 'f32.demote_f64 (f64.const' : 'f64.promote_f32 (f32.const'
    for (const a of singles) {
      for (const unary of ['sqrt', 'ceil', 'floor', 'trunc', 'nearest'])
        keep(type, `(${type}.${unary} (${type}.const ${a}))`)
      keep(type, `(${other} ${a}))`)
      for (const b of singles) {
        for (const binary of ['add', 'sub', 'mul', 'div', 'min', 'max']) {
          keep(type, `(${type}.${binary} (${type}.const ${a}) (${type}.const ${b}))`)
        }
      }
    }
    for (const binary of ['add', 'sub', 'mul', 'div', 'min', 'max']) {
      const lanes = type === 'f32' ? 'f32x4' : 'f64x2'
      parts.push(`(v128.store (i32.const ${at}) (${lanes}.${binary}
        (${lanes}.splat (${type}.const nan:0x200001)) (${lanes}.splat (${type}.const inf))))`)
      at += 16
    }
  }
  return `${parts.join('\n')} (call $output_write (i32.const 0) (i32.const ${at}))`
}

async function nanBits(context: Context): Promise<readonly Part[]> {
  const plain = await plainTask(nanMatrix())
  const module = instrument(plain).bytes
  const limits = { outputBytes: 65_536 }
  const results = new Map([['wasmtime', await runNative(module, { limits })]])
  for (const flag of ['--liftoff-only', '--no-liftoff']) {
    const own = createPortableExecutor(components, { spares: 0, v8Flags: [flag] })
    await own.start()
    results.set(flag, told(await outcomeOf(own, module, { limits })))
    await own.stop()
  }
  const values = [...new Set(results.values())]
  const { contained } = await onBoth(context, module, values[0] ?? '', { limits })
  const bare = Buffer.from(runInV8(plain, { outputBytes: 65_536 }).output).toString('hex')
  const differs = bare !== values[0]?.split(' ')[0]
  return [
    {
      name: `${bare.length / 2} bytes of results`,
      contained: seen(contained.asExpected && values.length === 1, 'pass: the same bits on wasmtime'),
      withoutSeccomp: seen(values.length === 1, `the same bits with both compilers of V8`),
      control: seen(differs, differs ? 'without the pass: other bits of NaN' : 'the same bits'),
    },
  ]
}

async function pointerOverflow(context: Context): Promise<readonly Part[]> {
  const calls = {
    output_write: '(call $output_write (i32.const -256) (i32.const 512))',
    input_read: '(drop (call $input_read (i32.const -1) (i32.const 0) (i32.const 2)))',
    log: '(call $log (i32.const 65535) (i32.const -1))',
  }
  const control = await harmless(
    await runTask('(call $output_write (i32.const 0) (i32.const 1))'),
    /^00 null \d+$/,
  )
  const parts: Part[] = []
  for (const [name, code] of Object.entries(calls)) {
    const sight = await onBoth(context, await runTask(code), /^ memory-out-of-bounds \d+$/, {
      input: Uint8Array.of(1, 2),
    })
    parts.push({ name, ...sight, control })
  }
  return parts
}

async function outputFlood(context: Context): Promise<readonly Part[]> {
  const module = await runTask(
    '(loop $again (call $output_write (i32.const 0) (i32.const 1000)) (br $again))',
  )
  const once = await runTask('(call $output_write (i32.const 0) (i32.const 1500))')
  const sight = await onBoth(context, module, /^(00){2000} output-too-large \d+$/)
  return [{ name: 'flood', ...sight, control: await harmless(once, /^(00){1500} null \d+$/) }]
}

async function hugeFill(context: Context): Promise<readonly Part[]> {
  const rest = '(func $fill (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144)))'
  const plain = await plainTask(
    `(local i32) (loop $again (call $fill)
      (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 20000))))`,
    { pages: '4 4', rest },
  )
  const limits = { fuel: 2_000_000n as never }
  const sight = await onBoth(context, instrument(plain).bytes, ' out-of-fuel 2000000', { limits })
  const free = runInV8(plain)
  const control = seen(free.trap === null, 'without the pass: 5 GB filled, nothing charged')
  return [{ name: 'memory.fill', ...sight, control }, await tableGrow()]
}

async function tableGrow(): Promise<Part> {
  const bytes = await wat(`(module ${IMPORTS} (memory (export "memory") 1 1) (table $t (export "t") 1 funcref)
    (global $grown (export "grown") (mut i32) (i32.const 0))
    (func (export "run") (global.set $grown (table.grow $t (ref.null func) (i32.const 5000000)))))`)
  let refused = 'admitted'
  try {
    instrument(bytes)
  } catch (error) {
    refused = (error as { code: string }).code
  }
  const nothing = () => 0
  const askee = { input_size: nothing, input_read: nothing, output_write: nothing, log: nothing }
  const { exports } = new ENGINE.Instance(new ENGINE.Module(bytes), { askee })
  ;(exports.run as () => void)()
  const grown = (exports.grown as EngineGlobal).value
  return {
    name: 'table.grow',
    contained: stops(`admission: ${refused}`, 'admission: wasm/reference-types'),
    withoutSeccomp: doesNotApply('the agent refuses it, before any process'),
    control: seen(grown === 1, 'without admission: 5 million elements more, nothing charged'),
  }
}

export const engineAttempts: readonly Attempt[] = [
  { number: 1, name: 'out of bounds near 4 GiB', expected: 'trap', run: outOfBounds },
  { number: 2, name: 'call_indirect of a wrong type', expected: 'trap', run: wrongType },
  {
    number: 5,
    name: 'endless loop in start',
    expected: 'out of fuel, everywhere the same',
    run: endlessStart,
  },
  { number: 6, name: 'endless recursion', expected: 'trap at the same depth', run: endlessRecursion },
  { number: 7, name: 'grow past the maximum', expected: '-1 everywhere', run: growPastMaximum },
  { number: 8, name: 'host short of memory', expected: 'a fault of the node, no result', run: hostShort },
  { number: 12, name: 'matrix of NaN', expected: 'identical bits', run: nanBits },
  { number: 13, name: 'pointer overflow in host calls', expected: 'trap', run: pointerOverflow },
  { number: 14, name: 'flood of output', expected: 'capped', run: outputFlood },
  { number: 16, name: 'huge fill, table.grow', expected: 'charged and bounded', run: hugeFill },
]
