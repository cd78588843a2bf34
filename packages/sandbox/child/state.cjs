'use strict'
/** The state of a stepwise task between two steps, as FRAMES.md writes it. The parent checked what comes in. */
const pipes = require('./pipes.cjs')

const PAGE_BYTES = 65536
const BLOCK_BYTES = 4096
const MAX_STATE_BYTES = 1024 * 1024 * 1024
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES)
const I32 = 0x7f
const I64 = 0x7e
const F32 = 0x7d

function encodeGlobals(globals, exports) {
  const parts = []
  for (const { type, name } of globals) {
    const value = exports[name].value
    const bytes = Buffer.alloc(type === I32 || type === F32 ? 4 : 8)
    if (type === I32) bytes.writeInt32LE(value, 0)
    else if (type === I64) bytes.writeBigInt64LE(value, 0)
    else if (Number.isNaN(value)) {
      // What a host reads of a NaN's bits is the engine's choice: only one NaN may stand in a state.
      if (type === F32) bytes.writeUInt32LE(0x7fc00000, 0)
      else bytes.writeBigUInt64LE(0x7ff8000000000000n, 0)
    } else if (type === F32) bytes.writeFloatLE(value, 0)
    else bytes.writeDoubleLE(value, 0)
    parts.push(Buffer.from([type, name.length]), Buffer.from(name, 'latin1'), bytes)
  }
  return Buffer.concat(parts)
}

/** Alternating runs of zero blocks and others, as pairs of counts. */
function findRuns(memory) {
  const runs = []
  let offset = 0
  const runLength = (isZero) => {
    const start = offset
    while (offset < memory.length) {
      const block = memory.subarray(offset, offset + BLOCK_BYTES)
      if ((Buffer.compare(block, ZERO_BLOCK) === 0) !== isZero) break
      offset += BLOCK_BYTES
    }
    return (offset - start) / BLOCK_BYTES
  }
  while (offset < memory.length) runs.push({ zeros: runLength(true), data: runLength(false) })
  return runs
}

/** Sends CHECKPOINT. @returns false, and sends nothing, when the state is over the cap */
function writeState(task, exports, host, fuelUsed) {
  const memory = new Uint8Array(exports.memory.buffer)
  const output = host.output()
  const globals = encodeGlobals(task.globals, exports)
  const head = Buffer.alloc(10)
  head.writeBigUInt64LE(fuelUsed, 0)
  head.writeUInt16LE(task.globals.length, 8)
  const outputLength = Buffer.alloc(4)
  outputLength.writeUInt32LE(output.length, 0)
  const pages = Buffer.alloc(4)
  pages.writeUInt32LE(memory.length / PAGE_BYTES, 0)
  const start = Buffer.concat([head, globals, outputLength, output, pages])
  const runs = findRuns(memory)
  const length = runs.reduce((sum, run) => sum + 8 + run.data * BLOCK_BYTES, start.length)
  if (length > MAX_STATE_BYTES) return false

  pipes.begin('checkpoint', length)
  pipes.writeAll(start)
  let offset = 0
  for (const { zeros, data } of runs) {
    const pair = Buffer.alloc(8)
    pair.writeUInt32LE(zeros, 0)
    pair.writeUInt32LE(data, 4)
    pipes.writeAll(pair)
    offset += zeros * BLOCK_BYTES
    pipes.writeAll(memory.subarray(offset, offset + data * BLOCK_BYTES))
    offset += data * BLOCK_BYTES
  }
  return true
}

function restoreGlobals(state, offset, exports) {
  for (let count = state.readUInt16LE(8); count > 0; count--) {
    const type = state[offset]
    const valueAt = offset + 2 + state[offset + 1]
    const target = exports[state.toString('latin1', offset + 2, valueAt)]
    if (type === I32) target.value = state.readInt32LE(valueAt)
    else if (type === I64) target.value = state.readBigInt64LE(valueAt)
    else if (type === F32) target.value = state.readFloatLE(valueAt)
    else target.value = state.readDoubleLE(valueAt)
    offset = valueAt + (type === I32 || type === F32 ? 4 : 8)
  }
  return offset
}

/** Puts `task.state` into a fresh instance. @returns null, or why this machine cannot hold it */
function restoreState(task, exports, host) {
  const state = task.state
  exports.askee_fuel.value = task.fuel - state.readBigUInt64LE(0)
  let offset = restoreGlobals(state, 10, exports)
  const outputEnd = offset + 4 + state.readUInt32LE(offset)
  host.setOutput(state.subarray(offset + 4, outputEnd))
  const pages = state.readUInt32LE(outputEnd)
  offset = outputEnd + 4

  const missing = pages - exports.memory.buffer.byteLength / PAGE_BYTES
  if (missing < 0) throw new RangeError('the state has less memory than the module starts with')
  try {
    exports.memory.grow(missing)
  } catch (error) {
    return String(error)
  }
  const memory = new Uint8Array(exports.memory.buffer)
  for (let at = 0; at < memory.length; ) {
    const zeroEnd = at + state.readUInt32LE(offset) * BLOCK_BYTES
    const dataBytes = state.readUInt32LE(offset + 4) * BLOCK_BYTES
    memory.fill(0, at, zeroEnd)
    memory.set(state.subarray(offset + 8, offset + 8 + dataBytes), zeroEnd)
    offset += 8 + dataBytes
    at = zeroEnd + dataBytes
  }
  task.state = null
  return null
}

module.exports = { restoreState, writeState }
