import { AskeeError, type Fuel } from '@askee/core'
import { TRAP_CODES } from '@askee/wasm'
import type { FaultCode, TaskResult } from './executor.ts'
import type { FrameCaps } from './frames.ts'

/** Caps of FRAMES.md, in bytes. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024
export const MAX_INPUT_BYTES = 256 * 1024 * 1024
export const MAX_OUTPUT_BYTES = 256 * 1024 * 1024
const MAX_STATE_BYTES = 1024 * 1024 * 1024
const MAX_LOG_LINE_BYTES = 4096
/** All log lines of one task together. Enough to find an error, too little to fill a disk. */
export const MAX_LOG_BYTES = 64 * 1024
/** What a shorter line counts for, so that empty lines are no flood. */
export const MIN_LOG_LINE_CHARGE = 16
const HELLO_BYTES = 4096
const PROGRESS_BYTES = 24
const RESULT_HEADER_BYTES = 25
const FAULT_BYTES = 1024

/** Faults a runner may report about itself; the index is the wire code. */
const RUNNER_FAULTS = ['fault/engine', 'fault/host-memory', 'fault/module', 'fault/bad-checkpoint'] as const

export const HELLO_CAPS: FrameCaps = { hello: HELLO_BYTES }

/** What a runner may say between GO and its last frame. */
export function runningCaps(outputBytes: number): FrameCaps {
  return {
    progress: PROGRESS_BYTES,
    log: MAX_LOG_LINE_BYTES,
    result: RESULT_HEADER_BYTES + outputBytes,
    checkpoint: MAX_STATE_BYTES,
    fault: FAULT_BYTES,
  }
}

/** What a runner says of itself. Believed only where the operating system tells us nothing. */
export interface SelfReport {
  readonly cpuMilliseconds: number
  readonly peakMemoryBytes: number
}

/** @returns the configuration text, or throws `sandbox/frame` */
export function decodeHello(payload: Uint8Array): string {
  const view = viewOf(payload, 2)
  if (view.getUint16(0, true) !== 1) {
    throw new AskeeError('sandbox/frame', `expected protocol 1, received ${view.getUint16(0, true)}`)
  }
  return new TextDecoder().decode(payload.subarray(2))
}

export interface LoadMessage {
  readonly fuel: bigint
  readonly memoryBytes: number
  readonly outputBytes: number
  readonly stateWords: number
}

/** Payload of LOAD up to the module, which follows it as it is. */
export function encodeLoadHeader(load: LoadMessage): Uint8Array {
  const out = new Uint8Array(28)
  const view = new DataView(out.buffer)
  view.setBigUint64(0, load.fuel, true)
  view.setBigUint64(8, BigInt(load.memoryBytes), true)
  view.setUint32(16, load.outputBytes, true)
  view.setUint32(20, MAX_LOG_BYTES, true)
  view.setUint32(24, load.stateWords, true)
  return out
}

export function decodeProgress(payload: Uint8Array, limit: bigint): { fuel: Fuel; self: SelfReport } {
  const view = viewOf(payload, PROGRESS_BYTES)
  return { fuel: fuelAt(view, 0, limit), self: selfReportAt(view, 8) }
}

export function decodeResult(payload: Uint8Array, limit: bigint): { result: TaskResult; self: SelfReport } {
  const view = viewOf(payload, RESULT_HEADER_BYTES)
  const code = view.getUint8(0)
  const trap = code === 0 ? null : TRAP_CODES[code - 1]
  if (trap === undefined) throw new AskeeError('sandbox/frame', `expected a trap code, received ${code}`)
  const result = { output: payload.slice(RESULT_HEADER_BYTES), trap, fuel: fuelAt(view, 1, limit) }
  return { result, self: selfReportAt(view, 9) }
}

export function decodeFault(payload: Uint8Array): { code: FaultCode; message: string } {
  const index = viewOf(payload, 1).getUint8(0)
  const code = RUNNER_FAULTS[index]
  if (code === undefined) throw new AskeeError('sandbox/frame', `expected a fault code, received ${index}`)
  return { code, message: new TextDecoder().decode(payload.subarray(1)) }
}

function viewOf(payload: Uint8Array, atLeast: number): DataView {
  if (payload.byteLength < atLeast) {
    throw new AskeeError(
      'sandbox/frame',
      `expected at least ${atLeast} bytes, received ${payload.byteLength}`,
    )
  }
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
}

function fuelAt(view: DataView, offset: number, limit: bigint): Fuel {
  const fuel = view.getBigUint64(offset, true)
  if (fuel > limit) throw new AskeeError('sandbox/frame', `expected fuel up to ${limit}, received ${fuel}`)
  return fuel as Fuel
}

function selfReportAt(view: DataView, offset: number): SelfReport {
  return {
    cpuMilliseconds: Number(view.getBigUint64(offset, true)) / 1000,
    peakMemoryBytes: Number(view.getBigUint64(offset + 8, true)),
  }
}
