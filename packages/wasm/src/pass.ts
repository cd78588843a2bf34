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
 * Whether a module may be run, without instrumenting it. Time is linear in its size; any bytes may be given.
 * @throws AskeeError `wasm/*` ({@link WasmErrorCode}) naming the offence and its byte offset
 */
export function check(bytes: Uint8Array, options: PassOptions = {}): Admission {
  const { module, admission, plan } = prepare(bytes, options)
  validateBodies(module, plan, admission, () => {})
  return admission
}

/**
 * The module with fuel, stack limit and canonical NaN, as docs/determinism.md specifies them. The same bytes in
 * give the same bytes out.
 * @throws AskeeError `wasm/*` exactly when {@link check} does
 */
export function instrument(bytes: Uint8Array, options: PassOptions = {}): Instrumented {
  const { module, admission, plan } = prepare(bytes, options)
  const globals = { fuel: plan.fuelGlobal, stack: plan.stackGlobal }
  const blockType = resultBlockType(plan)
  const code = new ByteWriter(bytes.byteLength * 2 + 1024)
  const one = new ByteWriter(4096)
  validateBodies(module, plan, admission, (body, type) => {
    one.clear()
    emitFunction(one, body, globals, blockType(type))
    code.u32(one.length).bytes(one.view())
  })
  const out = writeModule(module, plan, code.view(), admission.abi === 'askee' ? 'task' : 'any')
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

/** Most bytes that one edit adds: the canonical NaN of a vector, with locals of five bytes. */
const EDIT_BYTES = 48

type FunctionSeen = (body: Body, type: { params: Uint8Array; results: Uint8Array }) => void

function validateBodies(module: Module, plan: Plan, admission: Admission, seen: FunctionSeen): void {
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
  module.bodies.forEach(({ start, end }, index) => {
    const type = module.types[module.functions[module.importedFunctions + index] as number]!
    validateBody(body, type, start, end)
    if (end - start + body.tape.length * EDIT_BYTES > LIMITS.instrumentedBodyBytes) {
      refuse('wasm/too-large', start, 'function body that grows too large')
    }
    seen(body, type)
  })
}
