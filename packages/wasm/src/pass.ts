import { ByteWriter } from './binary/writer.ts'
import { refuse } from './errors.ts'
import { emitFunction } from './instrument/function.ts'
import { writeModule } from './instrument/module.ts'
import { type Plan, planModule, resultBlockType } from './instrument/plan.ts'
import { LIMITS } from './limits.ts'
import { type Abi, type Admission, admit } from './module/admission.ts'
import { decodeModule } from './module/decode.ts'
import type { Module } from './module/model.ts'
import { Body } from './validate/body.ts'
import type { BodyContext } from './validate/body-context.ts'
import { validateBody } from './validate/function.ts'

export interface PassOptions {
  /** `askee` (default): the interface of tasks; `none`: any imports and exports. */
  readonly abi?: Abi
  /**
   * Memory that the task is given, in bytes. A larger declared maximum is lowered to it, so that growing beyond it is
   * refused alike on every node; a module that begins with more is refused (`wasm/memory-limit`).
   */
  readonly maxMemoryBytes?: number
}

export interface Instrumented {
  readonly bytes: Uint8Array
  readonly admission: Admission
}

/**
 * Whether a module may be run. Does all that {@link instrument} does and keeps nothing, since how large a module grows
 * is known only when it was written. Time is linear in its size; any bytes may be given.
 * @throws AskeeError `wasm/*` ({@link WasmErrorCode}) naming the offence and its byte offset
 */
export function check(bytes: Uint8Array, options: PassOptions = {}): Admission {
  return instrument(bytes, options).admission
}

/**
 * The module with fuel, stack limit and canonical NaN, as docs/determinism.md specifies them: at most
 * `LIMITS.instrumentedBytes`. The same bytes in give the same bytes out.
 * @throws AskeeError `wasm/*` ({@link WasmErrorCode}) naming the offence and its byte offset
 */
export function instrument(bytes: Uint8Array, options: PassOptions = {}): Instrumented {
  const { module, admission, plan } = prepare(bytes, options)
  const code = instrumentBodies(module, plan, admission)
  const out = writeModule(module, plan, code.view(), admission.abi === 'askee' ? 'task' : 'any')
  if (out.byteLength > LIMITS.instrumentedBytes) refuseGrowth(bytes.byteLength)
  return { bytes: out, admission }
}

function prepare(
  bytes: Uint8Array,
  options: PassOptions,
): { module: Module; admission: Admission; plan: Plan } {
  const decoded = decodeModule(bytes)
  const module =
    options.maxMemoryBytes === undefined ? decoded : withinMemory(decoded, options.maxMemoryBytes)
  const admission = admit(module, options.abi ?? 'askee')
  return { module, admission, plan: planModule(module, admission) }
}

const PAGE_BYTES = 65_536

function withinMemory(module: Module, bytes: number): Module {
  const { memory } = module
  if (memory === null || memory.max === null) return module
  const pages = Math.floor(bytes / PAGE_BYTES)
  if (memory.min > pages) {
    refuse('wasm/memory-limit', memory.offset, `memory of ${memory.min} pages where ${pages} are allowed`)
  }
  return { ...module, memory: { ...memory, max: Math.min(memory.max, pages) } }
}

/** The bodies of the module's own functions as they stand in the code section, each with its length. */
function instrumentBodies(module: Module, plan: Plan, admission: Admission): ByteWriter {
  const context: BodyContext = {
    bytes: module.bytes,
    types: module.types,
    functions: module.functions,
    globals: module.globals,
    hasTable: module.table !== null,
    hasMemory: module.memory !== null,
    elementSegments: module.elements.length,
    dataSegments: module.dataCount,
    standIns: plan.standIns,
    growStandIn: plan.growStandIn,
    tables: admission.entry === 'step' ? 'constant' : 'mutable',
  }
  const body = new Body(context)
  const globals = { fuel: plan.fuelGlobal, stack: plan.stackGlobal }
  const blockType = resultBlockType(plan)
  const code = new ByteWriter(module.bytes.byteLength * 2 + 1024)
  const one = new ByteWriter(4096)
  module.bodies.forEach(({ start, end }, index) => {
    const type = module.types[module.functions[module.importedFunctions + index] as number]!
    validateBody(body, type, start, end)
    one.clear()
    emitFunction(one, body, globals, blockType(type))
    if (one.length > LIMITS.instrumentedBodyBytes) {
      refuse('wasm/too-large', start, `function body that grows to ${one.length} bytes`)
    }
    code.u32(one.length).bytes(one.view())
    // Looked at here too, so that a module made to grow is not written to its end.
    if (code.length > LIMITS.instrumentedBytes) refuseGrowth(start)
  })
  return code
}

function refuseGrowth(offset: number): never {
  refuse('wasm/too-large', offset, `module that grows to more than ${LIMITS.instrumentedBytes} bytes`)
}
