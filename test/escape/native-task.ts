/** One task on wasmtime under the warden, without an executor in between. */
import type { ExecutionLimits } from '@askee/sandbox'
import { LIMITS } from '@askee/sandbox/testing'
import { encodeFrame, FRAME_TYPES } from '../../packages/sandbox/src/frames.ts'
import { decodeFault, decodeResult, encodeLoadHeader } from '../../packages/sandbox/src/messages.ts'
import { readModuleShape } from '../../packages/sandbox/src/module-shape.ts'
import { hurryBelow } from './processes.ts'
import { CAUSES, OUTER, type OuterFrame, Warden } from './warden.ts'

export interface NativeTask {
  readonly input?: Uint8Array
  readonly limits?: Partial<ExecutionLimits>
  /** State of a checkpoint, without its envelope. */
  readonly state?: Uint8Array
  /** Lines of POLICY. */
  readonly policy?: string
  /** What stands before the warden's program. */
  readonly command?: readonly string[]
  /** Give up after so many milliseconds. Default 60,000. */
  readonly patience?: number
}

/** LOAD INPUT [CHECKPOINT] GO. */
export function taskStream(module: Uint8Array, { input, limits, state }: NativeTask = {}): Buffer {
  const { fuel, memoryBytes, outputBytes } = { ...LIMITS, ...limits }
  const header = encodeLoadHeader({ fuel, memoryBytes, outputBytes, stateWords: stateWordsOf(module) })
  return Buffer.concat([
    encodeFrame('load', Buffer.concat([header, module])),
    encodeFrame('input', input ?? new Uint8Array(0)),
    ...(state === undefined ? [] : [encodeFrame('checkpoint', state)]),
    encodeFrame('go'),
  ])
}

function stateWordsOf(module: Uint8Array): number {
  try {
    return readModuleShape(module).stateWords
  } catch {
    return 0
  }
}

/** Starts it, at an ordinary priority where this user may give one, and returns at once. */
export function startNative(module: Uint8Array, task: NativeTask = {}): Warden {
  const warden = new Warden(task.policy ?? '', task.command)
  void warden.ended.then(hurryBelow(warden.pid))
  warden.sendTask(taskStream(module, task))
  return warden
}

/** Its end in the words of `told`: `hex trap fuel`, or a fault's code, or what the warden said in its place. */
export async function runNative(module: Uint8Array, task: NativeTask = {}): Promise<string> {
  const warden = startNative(module, task)
  const timer = setTimeout(() => void warden.close(), task.patience ?? 60_000)
  try {
    return tellFrame(await lastFrame(warden), task.limits?.fuel ?? LIMITS.fuel)
  } finally {
    clearTimeout(timer)
    await warden.close()
  }
}

export function lastFrame(warden: Warden): Promise<OuterFrame | null> {
  return warden.untilInner(FRAME_TYPES.result, FRAME_TYPES.checkpoint, FRAME_TYPES.fault)
}

export function tellFrame(frame: OuterFrame | null, fuel: bigint): string {
  switch (frame?.kind) {
    case FRAME_TYPES.result: {
      const { result } = decodeResult(frame.payload, fuel)
      return `${Buffer.from(result.output).toString('hex')} ${result.trap} ${result.fuel}`
    }
    case FRAME_TYPES.fault:
      return decodeFault(frame.payload).code
    case FRAME_TYPES.checkpoint:
      return 'checkpointed'
    case OUTER.exit:
      return `ended: ${CAUSES[frame.payload[5]!] ?? frame.payload[5]}`
    case OUTER.refused:
      return `refused: ${frame.payload.toString()}`
    default:
      return 'no answer'
  }
}
