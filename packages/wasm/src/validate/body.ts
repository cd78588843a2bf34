import { ByteReader } from '../binary/reader.ts'
import { refuse } from '../errors.ts'
import { EDIT, EditTape } from '../instrument/edits.ts'
import { LIMITS } from '../limits.ts'
import { COSTS_V1 } from '../opcodes/costs.ts'
import { refuseType } from '../opcodes/refused.ts'
import type { Signature } from '../opcodes/signature.ts'
import { isValueType, V128 } from '../opcodes/types.ts'
import type { BodyContext } from './body-context.ts'
import { FRAME, type Frame, NO_TYPES, newFrame } from './frame.ts'
import { NO_PRODUCER, OperandStack } from './operands.ts'

const SINGLE = new Map([0x7f, 0x7e, 0x7d, 0x7c, 0x7b].map((type) => [type, new Uint8Array([type])]))

/**
 * State of one function body under validation: operand stack, control frames, and the edits of the pass.
 *
 * Fuel regions: code that is executed together is charged together. A region begins at the function's entry, in
 * a loop's header, in each arm of an `if`, after a conditional branch, and after the end of a block that is
 * left by a branch from inside to somewhere else. After any other block the region from before it goes on.
 */
export class Body {
  readonly context: BodyContext
  readonly reader: ByteReader
  readonly operands = new OperandStack()
  readonly tape = new EditTape()
  localTypes = new Uint8Array(256)
  localCount = 0
  /** Bytes of declared locals, and of parameters and results. */
  localBytes = 0
  signatureBytes = 0
  /** Where the local declarations end and the instructions begin. */
  codeStart = 0
  /** Count of declared groups, and where they stand. */
  localGroups = 0
  localGroupsStart = 0
  /** Whether it calls: such a function can recurse. */
  calls = false
  /** Bytes of values computed, which an optimizing compiler could keep alive over a call. */
  computedBytes = 0
  depth = 0
  /** Where the last branch back to a loop ended. */
  wentBack = -1
  /** Edit to which the cost of the current instruction goes; −1 in code that cannot be reached. */
  region = -1
  readonly #frames: Frame[] = []

  constructor(context: BodyContext) {
    this.context = context
    this.reader = new ByteReader(context.bytes)
  }

  begin(type: { params: Uint8Array; results: Uint8Array }, start: number, end: number): void {
    this.reader.pos = start
    this.reader.end = end
    this.operands.reset()
    this.tape.reset()
    this.calls = false
    this.computedBytes = 0
    this.depth = 0
    this.wentBack = -1
    this.localBytes = 0
    // A parameter stands in the caller's outgoing area and in the frame; a result in the caller's area.
    this.signatureBytes = 2 * bytesOf(type.params) + bytesOf(type.results)
    this.#readLocals(type.params)
    this.codeStart = this.reader.pos
    const entry = COSTS_V1.functionEntry + (this.localBytes >> COSTS_V1.localBytesShift)
    this.region = this.tape.add(this.codeStart, EDIT.charge, entry, -1)
    this.pushFrame(FRAME.function, NO_TYPES, type.results)
  }

  #readLocals(params: Uint8Array): void {
    if (this.localTypes.length < LIMITS.locals) this.localTypes = new Uint8Array(LIMITS.locals)
    this.localTypes.set(params)
    this.localCount = params.length
    const { reader } = this
    this.localGroups = reader.u32()
    this.localGroupsStart = reader.pos
    for (let group = 0; group < this.localGroups; group++) {
      const offset = reader.pos
      const count = reader.u32()
      if (count > LIMITS.locals - this.localCount) {
        refuse('wasm/too-large', offset, `more than ${LIMITS.locals} locals in one function`)
      }
      const at = reader.pos
      const type = reader.u8()
      if (!isValueType(type)) refuseType(type, at)
      this.localTypes.fill(type, this.localCount, this.localCount + count)
      this.localCount += count
      this.localBytes += count * (type === V128 ? 16 : 8)
    }
  }

  get frame(): Frame {
    return this.#frames[this.depth - 1] as Frame
  }

  /** The frame that label `label` names; refused when there is none. */
  target(label: number, offset: number): Frame {
    if (label >= this.depth) refuse('wasm/invalid', offset, `branch to label ${label}, which does not exist,`)
    return this.#frames[this.depth - 1 - label] as Frame
  }

  /** Notes that reachable code branches to `label`. */
  noteBranch(label: number): void {
    if (this.region < 0) return
    const index = this.depth - 1 - label
    const frame = this.#frames[index] as Frame
    frame.targeted = true
    const top = this.frame
    if (index < top.lowestTarget) top.lowestTarget = index
  }

  /** Notes that reachable code in a loop branches to `label`, which may lie outside of the loop. */
  noteLeave(offset: number, edit: number, label: number): void {
    const { loop } = this.frame
    if (this.region < 0 || loop < 0) return
    this.tape.add(offset, edit, label, loop, this.target(label, offset).loop)
  }

  /** Notes an instruction that always traps: fuel kept in a local is written back before it. */
  noteTrap(offset: number): void {
    const { loop } = this.frame
    if (this.region >= 0 && loop >= 0) this.tape.add(offset, EDIT.leave, 0, loop, -1)
  }

  charge(cost: number): void {
    if (this.region >= 0) this.tape.addCost(this.region, cost)
  }

  /** A new region from `at` on, in the current loop; region `before` of the same loop always runs before it. */
  beginRegion(at: number, before: number): void {
    this.region = this.tape.add(at, EDIT.charge, 0, this.frame.loop, before)
  }

  readBlockType(): { params: Uint8Array; results: Uint8Array } {
    const { reader } = this
    const offset = reader.pos
    const byte = reader.bytes[offset] as number
    if (offset < reader.end && byte >= 0x40 && byte < 0x80) {
      reader.pos++
      if (byte === 0x40) return { params: NO_TYPES, results: NO_TYPES }
      const single = SINGLE.get(byte)
      return single === undefined ? refuseType(byte, offset) : { params: NO_TYPES, results: single }
    }
    const index = reader.blockTypeIndex()
    const type = this.context.types[index]
    return type ?? refuse('wasm/invalid', offset, `block of type ${index}, which does not exist,`)
  }

  /** Enters a block whose parameters were popped. */
  pushFrame(kind: number, params: Uint8Array, results: Uint8Array): void {
    if (this.depth >= LIMITS.nesting) {
      refuse('wasm/too-large', this.reader.pos, `blocks nested deeper than ${LIMITS.nesting}`)
    }
    const outer = this.depth === 0 ? -1 : this.frame.loop
    if (this.#frames.length === this.depth) this.#frames.push(newFrame())
    const frame = this.#frames[this.depth++] as Frame
    const { operands } = this
    frame.kind = kind
    frame.params = params
    frame.results = results
    frame.height = operands.height
    frame.bytes = operands.bytes
    frame.targeted = false
    frame.lowestTarget = this.depth - 1
    frame.entryRegion = this.region
    frame.loop = outer
    frame.exchange = -1
    frame.polymorphic = false
    if (this.depth > 1) (this.#frames[this.depth - 2] as Frame).polymorphic = operands.polymorphic
    operands.floor = operands.height
    operands.polymorphic = false
    operands.pushAll(params)
  }

  /** Checks that the results are there and nothing else, at `else` or `end`. */
  closeFrame(offset: number): Frame {
    const { frame, operands } = this
    operands.popAll(frame.results, offset)
    if (operands.height !== frame.height)
      refuse('wasm/invalid', offset, 'values left over at the end of a block')
    return frame
  }

  /** Leaves the block; returns whether the function has ended. */
  popFrame(offset: number): boolean {
    const frame = this.closeFrame(offset)
    this.depth--
    const escapes = frame.lowestTarget < this.depth
    const reachable =
      this.region >= 0 ||
      (frame.targeted && frame.kind !== FRAME.loop) ||
      (frame.kind === FRAME.if && frame.entryRegion >= 0)
    if (this.depth === 0) return true
    const outer = this.frame
    if (escapes && frame.lowestTarget < outer.lowestTarget) outer.lowestTarget = frame.lowestTarget
    const { operands } = this
    operands.floor = outer.height
    operands.polymorphic = outer.polymorphic
    operands.pushAll(frame.results)
    if (frame.kind === FRAME.loop && frame.entryRegion >= 0) this.#leaveLoop(frame.loop)
    if (frame.entryRegion < 0 || !reachable) this.region = -1
    else if (!escapes) this.region = frame.entryRegion
    else if (frame.kind !== FRAME.block || frame.targeted)
      this.beginRegion(this.reader.pos, frame.entryRegion)
    return false
  }

  enterLoop(start: number): void {
    const { frame, tape } = this
    if (this.region < 0) return
    const loop = tape.loopParent.length
    tape.loopParent.push(frame.loop)
    tape.loopCalls.push(false)
    tape.add(start, EDIT.beforeLoop, 0, loop)
    frame.loop = loop
    this.region = tape.add(this.reader.pos, EDIT.loopCharge, COSTS_V1.simple, loop)
  }

  #leaveLoop(loop: number): void {
    const parent = this.tape.loopParent[loop] as number
    if (parent >= 0 && this.tape.loopCalls[loop] === true) this.tape.loopCalls[parent] = true
    if (this.region >= 0) this.tape.add(this.reader.pos, EDIT.afterLoop, 0, loop, parent)
  }

  /** After an instruction behind which nothing is reached. */
  unreachable(): void {
    this.operands.markUnreachable(this.frame.bytes)
    this.region = -1
  }

  noteCall(): void {
    this.calls = true
    const { loop } = this.frame
    if (loop >= 0) this.tape.loopCalls[loop] = true
  }

  /** Types and NaN of an instruction that only computes. */
  plain(signature: Signature, offset: number): void {
    const { operands } = this
    const { params, ignores } = signature
    for (let index = params.length - 1; index >= 0; index--) {
      operands.pop(params[index] as number, offset)
      const { producer } = operands
      if (ignores !== 0 && producer !== NO_PRODUCER && this.tape.a(producer) === ignores) {
        this.tape.dismissCanonical(producer)
      }
    }
    this.computedBytes += signature.result === V128 ? 8 : 4
    let producer = NO_PRODUCER
    if (this.region >= 0) {
      this.tape.addCost(this.region, signature.cost)
      if (signature.canonical !== 0) {
        producer = this.tape.add(this.reader.pos, EDIT.canonical, signature.canonical, 0)
      }
    }
    operands.push(signature.result, producer)
  }
}

function bytesOf(types: Uint8Array): number {
  let bytes = 0
  for (let index = 0; index < types.length; index++) bytes += types[index] === V128 ? 16 : 8
  return bytes
}
