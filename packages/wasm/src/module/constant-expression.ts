import type { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { F32, F64, I32, I64, typeName, V128 } from '../opcodes/types.ts'
import type { ConstantExpression, GlobalType } from './model.ts'

/** Exactly one constant or `global.get` of an imported constant, then `end`. */
export function constantExpression(
  reader: ByteReader,
  expected: number,
  globals: readonly GlobalType[],
): ConstantExpression {
  const start = reader.pos
  const { type, i32 } = readOperand(reader, globals)
  if (type !== expected) {
    refuse('wasm/invalid', start, `constant of ${typeName(type)} where ${typeName(expected)} is needed`)
  }
  const offset = reader.pos
  const last = reader.u8()
  if (last !== 0x0b) {
    if (!isConstantInstruction(last)) {
      refuse('wasm/invalid', offset, 'instruction that is no constant')
    }
    refuse('wasm/extended-const', offset, 'constant expression of more than one instruction')
  }
  return { start, end: reader.pos, i32 }
}

function readOperand(
  reader: ByteReader,
  globals: readonly GlobalType[],
): { type: number; i32: number | null } {
  const offset = reader.pos
  const opcode = reader.u8()
  switch (opcode) {
    case 0x41:
      return { type: I32, i32: reader.s32() }
    case 0x42:
      reader.skipS64()
      return { type: I64, i32: null }
    case 0x43:
      reader.skip(4)
      return { type: F32, i32: null }
    case 0x44:
      reader.skip(8)
      return { type: F64, i32: null }
    case 0xfd:
      if (reader.u32() !== 12) refuse('wasm/invalid', offset, 'instruction that is no constant')
      reader.skip(16)
      return { type: V128, i32: null }
    case 0x23: {
      const index = reader.u32()
      const global = globals[index]
      if (global === undefined || global.mutable) {
        refuse('wasm/invalid', offset, `constant from global ${index}`)
      }
      if (!global.imported)
        refuse('wasm/extended-const', offset, 'constant from a global that is not imported')
      return { type: global.type, i32: null }
    }
    case 0xd0:
    case 0xd2:
      return refuse('wasm/reference-types', offset, 'reference as a constant')
    case 0xfb:
      return refuse('wasm/gc', offset, 'garbage-collection instruction')
    default:
      return refuse('wasm/invalid', offset, 'instruction that is no constant')
  }
}

/** Whether extended constant expressions would allow it: constants, global.get and integer arithmetic. */
function isConstantInstruction(opcode: number): boolean {
  const arithmetic = [0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e]
  return [0x23, 0x41, 0x42, 0x43, 0x44, 0xfd, ...arithmetic].includes(opcode)
}
