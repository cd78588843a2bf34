import { ByteWriter } from '../binary/writer.ts'
import {
  FUEL_GLOBAL,
  STACK_BUDGET,
  STACK_GLOBAL,
  STATE_GET,
  STATE_SET,
  STATE_WORDS_GLOBAL,
} from '../constants.ts'
import { type Module, SECTION } from '../module/model.ts'
import { addedBody } from './added-functions.ts'
import type { Plan } from './plan.ts'

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
const I32 = 0x7f
const I64 = 0x7e
const MOST_FUEL = 0x7fff_ffff_ffff_ffffn

/**
 * Puts the instrumented module together. `code` is the content of the code section after its count, for the
 * functions of the module itself. Custom sections are left out.
 */
export function writeModule(module: Module, plan: Plan, code: Uint8Array, task: 'task' | 'any'): Uint8Array {
  const out = new ByteWriter(module.bytes.byteLength * 2 + 1024)
  out.bytes(HEADER)
  section(out, module, SECTION.type, plan.addedTypes, (add) => {
    for (const { params, results } of plan.types.slice(module.types.length)) {
      add.u8(0x60).u32(params.length).bytes(params).u32(results.length).bytes(results)
    }
  })
  section(out, module, SECTION.import, 0)
  section(out, module, SECTION.function, plan.functions.length, (add) => {
    for (const { type } of plan.functions) add.u32(type)
  })
  section(out, module, SECTION.table, 0)
  writeMemory(out, module)
  writeGlobals(out, module, plan)
  writeExports(out, module, plan)
  if (module.start !== null && task === 'any') {
    out.section(SECTION.start, new ByteWriter(8).u32(module.start.index).view())
  }
  writeElements(out, module, plan)
  if (module.dataCount !== null)
    out.section(SECTION.dataCount, new ByteWriter(8).u32(module.dataCount).view())
  writeCode(out, module, plan, code)
  section(out, module, SECTION.data, 0)
  return out.view().slice()
}

/** A section copied as it is, with `added` more entries at its end. */
function section(
  out: ByteWriter,
  module: Module,
  id: number,
  added: number,
  append?: (writer: ByteWriter) => void,
): void {
  const raw = module.raw.get(id)
  const count = (raw?.count ?? 0) + added
  if (count === 0) return
  const content = new ByteWriter((raw === undefined ? 0 : raw.end - raw.start) + 64)
  content.u32(count)
  if (raw !== undefined) content.range(module.bytes, raw.start, raw.end)
  append?.(content)
  out.section(id, content.view())
}

/** Written anew, since the pass may have lowered the maximum. An imported memory stands among the imports. */
function writeMemory(out: ByteWriter, module: Module): void {
  const { memory } = module
  if (memory === null || !module.raw.has(SECTION.memory)) return
  const content = new ByteWriter(16).u32(1)
  if (memory.max === null) content.u8(0).u32(memory.min)
  else content.u8(1).u32(memory.min).u32(memory.max)
  out.section(SECTION.memory, content.view())
}

function writeGlobals(out: ByteWriter, module: Module, plan: Plan): void {
  const { startedGlobal, state, stateWordsGlobal } = plan
  const added = 2 + (startedGlobal === null ? 0 : 1) + (stateWordsGlobal === null ? 0 : 1)
  section(out, module, SECTION.global, added, (add) => {
    add.u8(I64).u8(1).u8(0x42).s64(MOST_FUEL).u8(0x0b)
    add.u8(I32).u8(1).u8(0x41).s32(STACK_BUDGET).u8(0x0b)
    if (startedGlobal !== null) add.u8(I32).u8(1).u8(0x41).u8(0).u8(0x0b)
    if (stateWordsGlobal !== null) add.u8(I32).u8(0).u8(0x41).s32(state.length).u8(0x0b)
  })
}

function writeExports(out: ByteWriter, module: Module, plan: Plan): void {
  const content = new ByteWriter()
  let count = 0
  const write = (name: string, kind: number, index: number): void => {
    content.name(name).u8(kind).u32(index)
    count++
  }
  for (const { name, kind, index } of module.exports) {
    const entry = kind === 0 && (name === 'run' || name === 'step') ? plan.entryStandIn : null
    const standIn = kind === 0 ? plan.standIns.get(index) : undefined
    write(name, kind, entry ?? standIn ?? index)
  }
  write(FUEL_GLOBAL, 3, plan.fuelGlobal)
  write(STACK_GLOBAL, 3, plan.stackGlobal)
  if (plan.stateWordsGlobal !== null) write(STATE_WORDS_GLOBAL, 3, plan.stateWordsGlobal)
  plan.functions.forEach(({ kind }, index) => {
    if (kind === 'state-get') write(STATE_GET, 0, plan.firstFunction + index)
    if (kind === 'state-set') write(STATE_SET, 0, plan.firstFunction + index)
  })
  out.section(SECTION.export, new ByteWriter(content.length + 8).u32(count).bytes(content.view()).view())
}

/** Written anew where functions were replaced, so that the table holds what charges. */
function writeElements(out: ByteWriter, module: Module, plan: Plan): void {
  if (plan.standIns.size === 0) {
    section(out, module, SECTION.element, 0)
    return
  }
  if (module.elements.length === 0) return
  const content = new ByteWriter().u32(module.elements.length)
  for (const { flags, at, items } of module.elements) {
    content.u32(flags)
    if (at !== null) {
      if ((flags & 2) !== 0) content.u32(0)
      content.range(module.bytes, at.start, at.end)
    }
    const expressions = (flags & 4) !== 0
    if ((flags & 3) !== 0) content.u8(expressions ? 0x70 : 0)
    content.u32(items.length)
    for (const item of items) {
      const index = plan.standIns.get(item) ?? item
      if (!expressions) content.u32(index)
      else if (index < 0) content.u8(0xd0).u8(0x70).u8(0x0b)
      else content.u8(0xd2).u32(index).u8(0x0b)
    }
  }
  out.section(SECTION.element, content.view())
}

function writeCode(out: ByteWriter, module: Module, plan: Plan, code: Uint8Array): void {
  const count = module.bodies.length + plan.functions.length
  if (count === 0) return
  const content = new ByteWriter(code.byteLength + 4096).u32(count).bytes(code)
  for (const added of plan.functions) {
    const body = addedBody(added, plan, module)
    content.u32(body.byteLength).bytes(body)
  }
  out.section(SECTION.code, content.view())
}
