import { AskeeError } from '@askee/core'
import type { ContainmentTier, FaultCode, LayerReport } from '../executor.ts'
import type { FrameCaps, FrameTypes } from '../frames.ts'

/** Frames of native-sandbox/PROTOCOL.md. */
export const WARDEN_TYPES = {
  policy: 64,
  task: 65,
  freeze: 66,
  thaw: 67,
  kill: 68,
  usage: 69,
  report: 80,
  runner: 81,
  credit: 82,
  frozen: 83,
  thawed: 84,
  used: 85,
  exit: 86,
  refused: 87,
} as const satisfies FrameTypes<string>

export type WardenFrameName = keyof typeof WARDEN_TYPES

export const CHUNK_BYTES = 64 * 1024
/** TASK payload that may be sent before any CREDIT. */
export const WINDOW_BYTES = 1024 * 1024
const REFUSED_BYTES = 4096
const USED_BYTES = 32
const EXIT_BYTES = 6

/** What a warden may say first. */
export const OPENING_CAPS: FrameCaps<WardenFrameName> = { report: 64 * 1024, refused: REFUSED_BYTES }

/** What it may say after REPORT. */
export const HOLDING_CAPS: FrameCaps<WardenFrameName> = {
  runner: CHUNK_BYTES,
  credit: 4,
  frozen: 4,
  thawed: 0,
  used: USED_BYTES,
  exit: EXIT_BYTES,
  refused: REFUSED_BYTES,
}

/** What is really in force around one task. */
export interface WardenReport {
  readonly tier: ContainmentTier
  readonly layers: readonly LayerReport[]
}

const MAX_LAYERS = 100

/** @throws AskeeError `sandbox/frame` */
export function decodeReport(payload: Uint8Array): WardenReport {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    throw malformed('a REPORT of JSON')
  }
  if (!isRecord(value) || (value.tier !== 'contained' && value.tier !== 'process')) {
    throw malformed('a REPORT with a tier')
  }
  if (!Array.isArray(value.layers) || value.layers.length > MAX_LAYERS) {
    throw malformed(`a REPORT with at most ${MAX_LAYERS} layers`)
  }
  return { tier: value.tier, layers: value.layers.map(layerOf) }
}

function layerOf(value: unknown): LayerReport {
  if (isRecord(value)) {
    const { name, state, detail } = value
    const isState = state === 'enforced' || state === 'missing'
    if (typeof name === 'string' && isState && typeof detail === 'string') return { name, state, detail }
  }
  throw malformed('layers with name, state and detail')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export function decodeCredit(payload: Uint8Array): number {
  return viewOf(payload, 4).getUint32(0, true)
}

export interface UsedReport {
  readonly cpuTime: number
  readonly peakMemoryBytes: number
}

/** Milliseconds and bytes. */
export function decodeUsed(payload: Uint8Array): UsedReport {
  const view = viewOf(payload, USED_BYTES)
  return {
    cpuTime: Number(view.getBigUint64(0, true)) / 1000,
    peakMemoryBytes: Number(view.getBigUint64(16, true)),
  }
}

/** Why a runner ended, as a fault of this node: for one that gave no answer before. */
export function decodeExit(payload: Uint8Array): { code: FaultCode; message: string } {
  const view = viewOf(payload, EXIT_BYTES)
  const how = `${view.getUint8(0) === 0 ? 'exit code' : 'signal'} ${view.getUint32(1, true)}`
  switch (view.getUint8(5)) {
    case 2:
      return engine(`it made a system call that the filter forbids (${how})`)
    case 3:
      return {
        code: 'fault/host-memory',
        message: `the task's process took more memory than its limit (${how})`,
      }
    case 4:
      return engine(`it broke the rules of FRAMES.md (${how})`)
    case 6:
      return engine(`it claimed a last filter that the kernel does not show (${how})`)
    default:
      return { code: 'fault/child-died', message: `the runner ended without a result: ${how}` }
  }
}

/** A REFUSED as an error: `sandbox/policy`, `sandbox/tier` or `sandbox/start`. */
export function refusal(payload: Uint8Array): AskeeError {
  const text = new TextDecoder().decode(payload)
  const what = /^(policy|tier): /.exec(text)?.[1] ?? 'start'
  return new AskeeError(`sandbox/${what}`, `the warden refused: ${text}`)
}

function engine(text: string): { code: FaultCode; message: string } {
  return { code: 'fault/engine', message: `the runner was ended: ${text}` }
}

function viewOf(payload: Uint8Array, length: number): DataView {
  if (payload.byteLength !== length) throw malformed(`${length} bytes instead of ${payload.byteLength}`)
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
}

function malformed(expected: string): AskeeError {
  return new AskeeError('sandbox/frame', `malformed frame of the warden: expected ${expected}`)
}
