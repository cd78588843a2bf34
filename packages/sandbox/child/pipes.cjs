'use strict'
/** Frames on stdin (fd 0) and stdout (fd 1), read and written synchronously: the runner does one thing at a time. */
const fs = require('node:fs')

const TYPES = {
  hello: 1,
  load: 2,
  input: 3,
  checkpoint: 4,
  go: 5,
  suspend: 6,
  progress: 7,
  log: 8,
  result: 9,
  fault: 10,
  /** To a warden only. */
  ready: 33,
}
const NAMES = Object.fromEntries(Object.entries(TYPES).map(([name, type]) => [type, name]))
const MiB = 1024 * 1024
const CAPS = { load: 65 * MiB, input: 256 * MiB, checkpoint: 1024 * MiB, go: 0, suspend: 0 }
const HEADER_BYTES = 8
/** Set when the parent cannot tie our life to its own by other means: then a thread watches stdin. */
const WATCH = process.argv.includes('watch')

/** Ends at once, from any thread, whatever runs: `process.exit` would wait for a pending read. */
function die() {
  try {
    process.kill(process.pid, 'SIGKILL')
  } finally {
    // Under a warden no signal can be sent.
    process.abort()
  }
}

function fill(buffer) {
  let filled = 0
  while (filled < buffer.length) {
    let count = 0
    try {
      count = fs.readSync(0, buffer, filled, buffer.length - filled, null)
    } catch (error) {
      if (error.code === 'EAGAIN' || error.code === 'EINTR') continue
      if (error.code !== 'EOF') throw error
    }
    if (count === 0) die()
    filled += count
  }
  return buffer
}

function readAny() {
  const header = fill(Buffer.alloc(HEADER_BYTES))
  const name = NAMES[header[3]]
  const length = header.readUInt32LE(4)
  if (header.readUInt32LE(0) % 0x1000000 !== 0x014b41 || CAPS[name] === undefined || length > CAPS[name])
    process.exit(2)
  return { name, payload: fill(Buffer.allocUnsafeSlow(length)) }
}

function read(name) {
  const frame = readAny()
  if (frame.name !== name) process.exit(2)
  return frame.payload
}

function header(name, length) {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32LE(0x014b41, 0)
  bytes[3] = TYPES[name]
  bytes.writeUInt32LE(length, 4)
  return bytes
}

function writeAll(bytes) {
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += fs.writeSync(1, bytes, offset, bytes.length - offset)
    } catch (error) {
      if (error.code !== 'EAGAIN' && error.code !== 'EINTR') die()
    }
  }
}

function write(name, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const isSmall = length <= 4096
  if (isSmall) writeAll(Buffer.concat([header(name, length), ...parts]))
  else for (const part of [header(name, length), ...parts]) writeAll(part)
}

/** Starts a frame whose `length` payload bytes the caller then writes with `writeAll`. */
function begin(name, length) {
  writeAll(header(name, length))
}

/** Cell 0: 1 when the main thread left stdin to the watcher. Cell 1: 1 when SUSPEND came. */
const cells = WATCH ? new Int32Array(new SharedArrayBuffer(8)) : null
const WATCHER = `
const fs = require('node:fs')
const { workerData: cells } = require('node:worker_threads')
Atomics.wait(cells, 0, 0)
const buffer = Buffer.alloc(64)
for (;;) {
  let count = 0
  try { count = fs.readSync(0, buffer, 0, 64, null) } catch (error) { if (error.code === 'EAGAIN') continue }
  if (count === 0) process.kill(process.pid, 'SIGKILL')
  Atomics.store(cells, 1, 1)
}`

if (WATCH) {
  const { Worker } = require('node:worker_threads')
  new Worker(WATCHER, { eval: true, workerData: cells, stdin: false })
}

let suspended = false
let isListening = false

function listen() {
  if (WATCH) {
    Atomics.store(cells, 0, 1)
    Atomics.notify(cells, 0)
    return
  }
  isListening = true
  fs.read(0, Buffer.alloc(64), 0, 64, null, (error, count) => {
    if (error !== null || count === 0) die()
    suspended = true
    listen()
  })
}

/** Whether SUSPEND came since the last call. */
async function suspendRequested() {
  if (WATCH) return Atomics.exchange(cells, 1, 0) === 1
  await new Promise((resolve) => setImmediate(resolve))
  const was = suspended
  suspended = false
  return was
}

/** The last frame is out: nothing is left but the parent's kill, or the end of stdin. */
function waitForDeath() {
  if (WATCH) listen()
  if (WATCH || isListening) return
  fill(Buffer.alloc(1))
  waitForDeath()
}

module.exports = { begin, listen, read, readAny, suspendRequested, waitForDeath, write, writeAll }
