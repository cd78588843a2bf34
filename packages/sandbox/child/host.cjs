'use strict'
/** The four host functions of a task, and the names of V8's traps. */
const pipes = require('./pipes.cjs')

const MAX_LOG_LINE_BYTES = 4096
/** What a shorter line counts for, so that empty lines are no flood. */
const MIN_LOG_LINE_CHARGE = 16
/** 1 + index in TRAP_CODES of @askee/wasm. */
const TRAPS = {
  unreachable: 1,
  memoryOutOfBounds: 2,
  tableOutOfBounds: 3,
  indirectCallMismatch: 4,
  divideByZero: 5,
  integerOverflow: 6,
  invalidConversion: 7,
  outputTooLarge: 10,
}
/** Every RuntimeError text that V8 can raise for the admitted features. */
const MESSAGES = {
  unreachable: TRAPS.unreachable,
  'memory access out of bounds': TRAPS.memoryOutOfBounds,
  'data segment out of bounds': TRAPS.memoryOutOfBounds,
  'table index is out of bounds': TRAPS.tableOutOfBounds,
  'element segment out of bounds': TRAPS.tableOutOfBounds,
  'null function or function signature mismatch': TRAPS.indirectCallMismatch,
  'divide by zero': TRAPS.divideByZero,
  'remainder by zero': TRAPS.divideByZero,
  'divide result unrepresentable': TRAPS.integerOverflow,
  'float unrepresentable in integer range': TRAPS.invalidConversion,
}
/** What V8 puts before the text when an active segment does not fit at instantiation. */
const AT_INSTANTIATION = 'WebAssembly.Instance(): '
/** Such a data segment's text goes on with numbers. */
const DATA_SEGMENT = /^data segment \d+ is out of bounds /

/** Thrown by a host function: the task's own fault. */
class HostTrap extends Error {
  constructor(trap) {
    super('host trap')
    this.trap = trap
  }
}

/** Wire code of the trap that `error` is, or null when it is none of the task's doing. */
function trapOf(error) {
  if (error instanceof HostTrap) return error.trap
  if (!(error instanceof WebAssembly.RuntimeError)) return null
  const { message } = error
  const text = message.startsWith(AT_INSTANTIATION) ? message.slice(AT_INSTANTIATION.length) : message
  return MESSAGES[text] ?? (DATA_SEGMENT.test(text) ? TRAPS.memoryOutOfBounds : null)
}

function createHost(task, run) {
  const { input } = task
  let memory = null
  let logLeft = task.logBytes
  let output = Buffer.alloc(0)
  let used = 0

  /** The bytes of memory that a task names; both numbers are unsigned, their sum may pass 2^32. */
  function range(pointer, length) {
    const start = pointer >>> 0
    const end = start + (length >>> 0)
    if (memory === null || end > memory.buffer.byteLength) throw new HostTrap(TRAPS.memoryOutOfBounds)
    return new Uint8Array(memory.buffer, start, end - start)
  }

  function append(bytes) {
    const needed = used + bytes.length
    if (needed > output.length) {
      const grown = Buffer.alloc(Math.min(task.outputBytes, Math.max(needed, output.length * 2, 4096)))
      output.copy(grown, 0, 0, used)
      output = grown
    }
    output.set(bytes, used)
    used = needed
  }

  return {
    functions: {
      input_size: () => input.length,
      input_read(pointer, offset, length) {
        const target = range(pointer, length)
        const start = Math.min(offset >>> 0, input.length)
        const part = input.subarray(start, start + target.length)
        target.set(part)
        run.progress()
        return part.length
      },
      output_write(pointer, length) {
        const bytes = range(pointer, length)
        if (used + bytes.length > task.outputBytes) throw new HostTrap(TRAPS.outputTooLarge)
        append(bytes)
        run.progress()
      },
      log(pointer, length) {
        const bytes = range(pointer, length)
        const line = bytes.subarray(0, Math.max(0, Math.min(bytes.length, MAX_LOG_LINE_BYTES, logLeft)))
        if (logLeft <= 0) return
        logLeft -= Math.max(line.length, MIN_LOG_LINE_CHARGE)
        pipes.write('log', Buffer.from(line))
      },
    },
    output: () => output.subarray(0, used),
    setOutput(bytes) {
      used = 0
      append(bytes)
    },
    setMemory(value) {
      memory = value
    },
  }
}

module.exports = { createHost, trapOf }
