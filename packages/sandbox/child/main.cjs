'use strict'
/**
 * Runner of one task in V8: LOAD, INPUT, optionally CHECKPOINT, GO on stdin; frames of FRAMES.md on stdout; then it waits
 * to be killed. CommonJS and not TypeScript because stripping types would add 50 ms to every start.
 */
const fs = require('node:fs')
const pipes = require('./pipes.cjs')
const { createHost, trapOf } = require('./host.cjs')
const { restoreState, writeState } = require('./state.cjs')
const { warmUp } = require('./warm-up.cjs')

const PROGRESS_PERIOD_MS = 100
/** How often a stepwise task looks for SUSPEND. */
const POLL_PERIOD_MS = 5
const HOST_SHORTAGE = -2147483648
const MAX_FAULT_TEXT = 1000
/** Where a warden puts the library that seals this process, and says so. */
const SEAL = '/runner/seal.node'
const IS_HELD = process.argv.includes('held')
const FAULTS = { engine: 0, hostMemory: 1, module: 2, badCheckpoint: 3 }

class Fault extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

function sayHello() {
  const { v8, node } = process.versions
  const text = `v8 ${v8} node ${node} ${process.execArgv.join(' ')}`
  pipes.write('hello', Buffer.concat([Buffer.from([1, 0]), Buffer.from(text)]))
}

/**
 * Under a warden: from here on nothing can be opened or started. What would be started later is started now: the thread
 * that listens for SUSPEND.
 */
async function seal() {
  await new Promise((resolve) => fs.stat(__filename, resolve))
  process.dlopen({ exports: {} }, SEAL)
}

function readTask() {
  const load = pipes.read('load')
  const task = {
    fuel: load.readBigUInt64LE(0),
    memoryBytes: Number(load.readBigUInt64LE(8)),
    outputBytes: load.readUInt32LE(16),
    logBytes: load.readUInt32LE(20),
    stateWords: load.readUInt32LE(24),
    module: load.subarray(28),
    input: pipes.read('input'),
    state: null,
  }
  const next = pipes.readAny()
  if (next.name === 'checkpoint') {
    task.state = next.payload
    pipes.read('go')
  } else if (next.name !== 'go') process.exit(2)
  return task
}

function compile(bytes) {
  try {
    return new WebAssembly.Module(bytes)
  } catch (error) {
    throw new Fault(FAULTS.module, String(error))
  }
}

function instantiate(module, host) {
  try {
    return new WebAssembly.Instance(module, { askee: host.functions })
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error
    if (error instanceof RangeError) throw new Fault(FAULTS.hostMemory, String(error))
    throw new Fault(FAULTS.module, String(error))
  }
}

/** Processor time in microseconds and peak memory in bytes, for systems where the parent cannot look for itself. */
function writeUsage(buffer, offset) {
  const usage = process.resourceUsage()
  buffer.writeBigUInt64LE(BigInt(usage.userCPUTime + usage.systemCPUTime), offset)
  buffer.writeBigUInt64LE(BigInt(usage.maxRSS) * 1024n, offset + 8)
}

function createRun(task) {
  let exports = null
  let nextProgress = performance.now() + PROGRESS_PERIOD_MS
  const run = {
    fuelUsed() {
      if (exports === null) return 0n
      const used = task.fuel - exports.askee_fuel.value
      const isOver = used > task.fuel
      if (used < 0n) return 0n
      return isOver ? task.fuel : used
    },
    progress() {
      const now = performance.now()
      if (now < nextProgress) return
      nextProgress = now + PROGRESS_PERIOD_MS
      const payload = Buffer.alloc(24)
      payload.writeBigUInt64LE(run.fuelUsed(), 0)
      writeUsage(payload, 8)
      pipes.write('progress', payload)
    },
    setExports(value) {
      exports = value
    },
  }
  return run
}

/** @returns whether the task stopped for a checkpoint */
async function drive(exports, run) {
  if (typeof exports.run === 'function') {
    exports.run()
    return false
  }
  let nextPoll = performance.now() + POLL_PERIOD_MS
  for (;;) {
    if (exports.step() === 0) return false
    const now = performance.now()
    if (now < nextPoll) continue
    nextPoll = now + POLL_PERIOD_MS
    run.progress()
    if (await pipes.suspendRequested()) return true
  }
}

function sendResult(run, host, trap) {
  const header = Buffer.alloc(25)
  header.writeUInt8(trap, 0)
  header.writeBigUInt64LE(run.fuelUsed(), 1)
  writeUsage(header, 9)
  pipes.write('result', header, host.output())
}

/** Trap code of an ended task: 1 + index in TRAP_CODES. What the counters say goes before what the engine says. */
function trapCode(error, exports) {
  if (exports !== null && exports.askee_stack.value === HOST_SHORTAGE) {
    throw new Fault(FAULTS.hostMemory, 'this machine could not grow the memory')
  }
  const trap = error === null ? 0 : trapOf(error)
  if (trap === null) throw new Fault(FAULTS.engine, String(error))
  if (exports === null) return trap
  if (exports.askee_fuel.value < 0n) return 9
  if (exports.askee_stack.value < 0) return 8
  return trap
}

async function runTask(task) {
  const run = createRun(task)
  const host = createHost(task, run)
  let exports = null
  let error = null
  try {
    const module = compile(task.module)
    exports = instantiate(module, host).exports
    run.setExports(exports)
    host.setMemory(exports.memory)
    exports.askee_fuel.value = task.fuel
    if (task.state !== null) {
      const shortage = restoreState(task, exports, host)
      if (shortage !== null) throw new Fault(FAULTS.hostMemory, shortage)
    }
    pipes.listen()
    while (await drive(exports, run)) {
      if (writeState(task, exports, host, run.fuelUsed())) return
    }
  } catch (caught) {
    if (caught instanceof Fault) throw caught
    error = caught
  }
  sendResult(run, host, trapCode(error, exports))
}

async function main() {
  warmUp()
  // Before HELLO, so that a runner that cannot live with its last filter is one that does not start.
  if (IS_HELD) await seal()
  sayHello()
  if (IS_HELD) pipes.write('ready')
  const task = readTask()
  try {
    await runTask(task)
  } catch (error) {
    const code = error instanceof Fault ? error.code : FAULTS.engine
    const text = Buffer.from(String(error instanceof Fault ? error.message : error)).subarray(
      0,
      MAX_FAULT_TEXT,
    )
    pipes.write('fault', Buffer.concat([Buffer.from([code]), text]))
  }
  pipes.waitForDeath()
}

main()
