'use strict'
/** The state of a stepwise task between two steps, as FRAMES.md writes it. The parent checked what comes in. */
const pipes = require('./pipes.cjs')

const PAGE_BYTES = 65536
const BLOCK_BYTES = 4096
const MAX_STATE_BYTES = 1024 * 1024 * 1024
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES)

/** Fuel used, and the globals of the task as the words that the determinism pass makes of them, bit for bit. */
function encodeScalars(task, exports, fuelUsed) {
  const bytes = Buffer.alloc(12 + 8 * task.stateWords)
  bytes.writeBigUInt64LE(fuelUsed, 0)
  bytes.writeUInt32LE(task.stateWords, 8)
  for (let index = 0; index < task.stateWords; index++) {
    bytes.writeBigInt64LE(exports.askee_state_get(index), 12 + 8 * index)
  }
  return bytes
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
  const outputLength = Buffer.alloc(4)
  outputLength.writeUInt32LE(output.length, 0)
  const pages = Buffer.alloc(4)
  pages.writeUInt32LE(memory.length / PAGE_BYTES, 0)
  const start = Buffer.concat([encodeScalars(task, exports, fuelUsed), outputLength, output, pages])
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

/** Puts `task.state` into a fresh instance. @returns null, or why this machine cannot hold it */
function restoreState(task, exports, host) {
  const state = task.state
  exports.askee_fuel.value = task.fuel - state.readBigUInt64LE(0)
  for (let index = 0; index < task.stateWords; index++) {
    exports.askee_state_set(index, state.readBigInt64LE(12 + 8 * index))
  }
  let offset = 12 + 8 * task.stateWords
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
