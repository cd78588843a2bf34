import type { Milliseconds } from '@askee/core'
import type { FaultCode } from './executor.ts'
import type { Frame, FrameCaps, FrameName } from './frames.ts'

/** Who listens to a runner. Nothing is called any more after `onFault`. */
export interface RunnerListener {
  /** May throw AskeeError `sandbox/frame`, which is a breach of the rules like any other. */
  onFrame(frame: Frame): void
  /** The runner broke the rules, passed a limit or is gone; the caller must kill it. */
  onFault(code: FaultCode, message: string): void
}

export const DEAF: RunnerListener = { onFrame: () => undefined, onFault: () => undefined }

/** What the operating system counted for a task. */
export interface ProcessUsage {
  readonly cpuTime: Milliseconds
  readonly peakMemoryBytes: number
}

/** A process that serves one task by FRAMES.md, and what can be done to it. What it says is bounded before it is read. */
export interface TaskProcess {
  /** For logs; undefined when it could not be started. */
  readonly pid: number | undefined
  readonly isGone: boolean
  /** Resolves when the process is gone, and whoever held it. */
  readonly exited: Promise<void>
  listen(listener: RunnerListener): void
  /** From the next frame on only these are allowed. */
  allow(caps: FrameCaps): void
  /** Sends one frame; the parts of its payload are not copied together. */
  send(name: FrameName, ...parts: readonly Uint8Array[]): void
  /**
   * Resolves when nothing of the task runs any more, or it is gone.
   * @throws AskeeError `sandbox/unsupported`, at once, where a process cannot be frozen
   */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Ends the process, frozen or not; resolves when nothing of the task is left. Who held it may take a moment more: `exited`. */
  kill(): Promise<void>
  /** Null when the system does not tell. */
  usage(): Promise<ProcessUsage | null>
}
