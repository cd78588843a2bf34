import type { Digest, Fuel, Milliseconds, Startable } from '@askee/core'
import type { TrapCode } from '@askee/wasm'

/**
 * How strongly the operating system holds a task. A consent can demand a tier.
 * - `contained`: kernel-enforced isolation of its own (namespaces, filter, limits): the native warden.
 * - `process`: a process of its own with nothing but pipes; the engine is the only wall to files and network.
 */
export type ContainmentTier = 'contained' | 'process'

/** One layer of containment and whether it was seen in force. */
export interface LayerReport {
  /** In the words of docs/containment.md. */
  readonly name: string
  readonly state: 'enforced' | 'missing'
  /** Why it is missing, or to what degree it is enforced; may be empty. */
  readonly detail: string
}

export interface EngineDescription {
  /** `portable` (V8 in a Node child) or `native` (wasmtime under the warden). */
  readonly name: string
  readonly engine: 'v8' | 'wasmtime'
  readonly engineVersion: string
  readonly tier: ContainmentTier
  /** Layers in force, in the words of docs/containment.md. */
  readonly layers: readonly string[]
  /** Every layer this executor knows of, the missing ones too. */
  readonly report?: readonly LayerReport[]
  /** Why this executor was chosen and no stronger one; missing when there is none. */
  readonly reason?: string
}

export interface ExecutionLimits {
  readonly fuel: Fuel
  /** Linear memory: the module's declared maximum must not exceed it. Bytes. */
  readonly memoryBytes: number
  readonly outputBytes: number
  /** Wall clock, frozen time not counted. Past it the outcome is a fault of this node, never a result. */
  readonly wallTime: Milliseconds
  /**
   * Share of one processor that the task may take, whole per cent, 1 to 100; default 100. The native executor enforces it;
   * the portable one cannot and says so in `describe()`.
   */
  readonly cpuPercent?: number
  /**
   * Most that the task's whole process may come to, engine included, and its compiler beside it: bytes, at least 64 MiB.
   * Default: what engine and task are reckoned to need. A task that needs more ends as a fault of this node.
   */
  readonly processBytes?: number
}

/** The least `processBytes`: no engine starts in less. */
export const MIN_PROCESS_BYTES = 64 * 1024 * 1024

/** State between two steps; opaque to all but executors, the same bytes on every engine. */
export type Checkpoint = Uint8Array

export interface ExecutionRequest {
  /** Output of `instrument` of @askee/wasm: never a module as a peer sent it. */
  readonly module: Uint8Array
  readonly input: Uint8Array
  readonly limits: ExecutionLimits
  /** Whether what is compiled of the module may be kept on disk; default `kept`, where the executor keeps any. */
  readonly compiled?: 'kept' | 'not-kept'
  /** Go on from here instead of from the start. */
  readonly resumeFrom?: Checkpoint
  /** Called at most ten times a second. */
  onProgress?(progress: { fuel: Fuel }): void
  /** Lines the task logged, control characters escaped, capped. Not part of the result. */
  onLog?(line: string): void
}

/** What the vote is about. `output` is partial when there is a trap. */
export interface TaskResult {
  readonly output: Uint8Array
  readonly trap: TrapCode | null
  /** Fuel used, at most the limit. */
  readonly fuel: Fuel
}

/** Faults say that this node could not do the work; they are no answer of the task and are never voted on. */
export type FaultCode =
  | 'fault/wall-time'
  | 'fault/host-memory'
  | 'fault/engine'
  | 'fault/child-died'
  | 'fault/bad-checkpoint'
  | 'fault/start'
  | 'fault/module'

export type ExecutionOutcome =
  | { readonly kind: 'completed'; readonly result: TaskResult }
  | { readonly kind: 'checkpointed'; readonly checkpoint: Checkpoint; readonly fuel: Fuel }
  | { readonly kind: 'fault'; readonly code: FaultCode; readonly message: string }
  | { readonly kind: 'killed'; readonly reason: string }

export interface UsageReport {
  readonly cpuTime: Milliseconds
  readonly wallTime: Milliseconds
  readonly frozenTime: Milliseconds
  readonly peakMemoryBytes: number
}

/** One running task. */
export interface Execution {
  /** Never rejects. */
  readonly outcome: Promise<ExecutionOutcome>
  /** Resolves when no instruction of the task runs any more. Idempotent. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Ends the task; resolves when its process is gone. The outcome becomes `killed` unless it was decided. */
  kill(reason: string): Promise<void>
  /**
   * Asks a stepwise task to stop after its current step; the outcome becomes `checkpointed` (or `completed`).
   * @throws AskeeError `sandbox/not-stepwise` for a module with `run`
   */
  checkpoint(): Promise<void>
  usage(): Promise<UsageReport>
}

/** Runs instrumented modules. Every adapter passes `executorAcceptance` of `@askee/sandbox/testing`. */
export interface Executor extends Startable {
  describe(): EngineDescription
  /**
   * Starts one task in a process of its own.
   * @throws AskeeError `sandbox/limits` when a limit is out of range, `sandbox/stopped`
   */
  execute(request: ExecutionRequest): Promise<Execution>
  /** Removes what is kept of a module beyond its tasks, compiled code on disk. Left out where nothing is. */
  forget?(module: Digest): Promise<void>
  /** Bytes that compiled code of a module takes on disk now. Left out where nothing is kept. */
  keptBytes?(module: Digest): Promise<number>
  /** The most that one task may add to that; 0 where nothing is kept. Left out: 0. */
  mostKeptBytes?(): number
}
