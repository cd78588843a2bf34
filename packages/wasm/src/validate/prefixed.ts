import { refuse } from '../errors.ts'
import { EDIT, LENGTH } from '../instrument/edits.ts'
import { COSTS_V1 as C } from '../opcodes/costs.ts'
import { SATURATING } from '../opcodes/numeric.ts'
import { I32 } from '../opcodes/types.ts'
import type { Body } from './body.ts'

/** Instructions with prefix 0xfc: saturating conversions and bulk operations. */
export function prefixedInstruction(body: Body, offset: number): void {
  const opcode = body.reader.u32()
  const saturating = SATURATING[opcode]
  if (saturating !== undefined) {
    body.plain(saturating, offset)
    return
  }
  switch (opcode) {
    case 8:
      dataSegment(body, offset)
      memoryIndex(body, offset)
      bulk(body, LENGTH.memoryBytes, offset)
      return
    case 9:
      dataSegment(body, offset)
      constantTables(body, offset, 'data.drop')
      body.charge(C.simple)
      return
    case 10:
      memoryIndex(body, offset)
      memoryIndex(body, offset)
      bulk(body, LENGTH.memoryBytes, offset)
      return
    case 11:
      memoryIndex(body, offset)
      bulk(body, LENGTH.memoryBytes, offset)
      return
    case 12:
      elementSegment(body, offset)
      tableIndex(body, offset)
      constantTables(body, offset, 'table.init')
      bulk(body, LENGTH.elements, offset)
      return
    case 13:
      elementSegment(body, offset)
      constantTables(body, offset, 'elem.drop')
      body.charge(C.simple)
      return
    case 14:
      tableIndex(body, offset)
      tableIndex(body, offset)
      constantTables(body, offset, 'table.copy')
      bulk(body, LENGTH.elements, offset)
      return
    default:
      if (opcode >= 15 && opcode <= 17) {
        refuse('wasm/reference-types', offset, `table.${['grow', 'size', 'fill'][opcode - 15]}`)
      }
      refuse('wasm/malformed', offset, `unknown instruction 0xfc ${opcode}`)
  }
}

/** Three i32 operands, the last of which is the length. */
function bulk(body: Body, length: number, offset: number): void {
  const { operands } = body
  for (let index = 0; index < 3; index++) operands.pop(I32, offset)
  body.charge(C.bulk)
  if (body.region >= 0) body.tape.add(offset, EDIT.length, length, body.frame.loop)
}

function constantTables(body: Body, offset: number, name: string): void {
  if (body.context.tables === 'constant') {
    refuse('wasm/not-checkpointable', offset, `${name} in a stepwise task`)
  }
}

function dataSegment(body: Body, offset: number): void {
  const index = body.reader.u32()
  const { dataSegments } = body.context
  if (dataSegments === null)
    refuse('wasm/malformed', offset, 'data segment used without a data count section')
  if (index >= dataSegments) refuse('wasm/invalid', offset, `data segment ${index}, which does not exist,`)
}

function elementSegment(body: Body, offset: number): void {
  const index = body.reader.u32()
  if (index >= body.context.elementSegments) {
    refuse('wasm/invalid', offset, `element segment ${index}, which does not exist,`)
  }
}

function memoryIndex(body: Body, offset: number): void {
  const index = body.reader.u32()
  if (!body.context.hasMemory) refuse('wasm/invalid', offset, 'memory instruction without a memory')
  if (index !== 0) refuse('wasm/multi-memory', offset, `memory ${index}`)
}

function tableIndex(body: Body, offset: number): void {
  const index = body.reader.u32()
  if (!body.context.hasTable) refuse('wasm/invalid', offset, 'table instruction without a table')
  if (index !== 0) refuse('wasm/reference-types', offset, `table ${index}`)
}
