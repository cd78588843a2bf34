import { AskeeError, type Clock, errorText, type Fuel, type Logger, type Timers } from '@askee/core'
import { checkState, sealCheckpoint, stateFuel } from './checkpoint.ts'
import type { Execution, ExecutionOutcome, ExecutionRequest, FaultCode, UsageReport } from './executor.ts'
import type { Frame } from './frames.ts'
import { cappedLog } from './log-lines.ts'
import {
  decodeFault,
  decodeProgress,
  decodeResult,
  encodeLoadHeader,
  MAX_LOG_BYTES,
  MIN_LOG_LINE_CHARGE,
  runningCaps,
  type SelfReport,
} from './messages.ts'
import { Stopwatch } from './stopwatch.ts'
import type { TaskProcess } from './task-process.ts'
import type { PreparedTask } from './task-request.ts'

/** Ten a second, as the port promises. */
const PROGRESS_PERIOD = 100
/** Frames an honest runner may send: all its log lines and some twenty reports of progress a second. */
const FRAMES_AT_ONCE = MAX_LOG_BYTES / MIN_LOG_LINE_CHARGE + 100
const FRAMES_PER_SECOND = 20

export interface TaskExecutionComponents {
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
}

export interface TaskExecutionInit extends PreparedTask {
  readonly process: TaskProcess
  readonly request: ExecutionRequest
}

/** One task in one process. The first thing that decides its outcome wins; every way out kills the process. */
export class TaskExecution implements Execution {
  readonly outcome: Promise<ExecutionOutcome>
  readonly #components: TaskExecutionComponents
  readonly #init: TaskExecutionInit
  readonly #process: TaskProcess
  readonly #stopwatch: Stopwatch
  readonly #log: (bytes: Uint8Array) => void
  #resolve: (outcome: ExecutionOutcome) => void = () => undefined
  #decided = false
  /** The freeze in force. */
  #freezing: Promise<void> | null = null
  #isSuspending = false
  #frames = 0
  #lastProgress: number
  #self: SelfReport = { cpuMilliseconds: 0, peakMemoryBytes: 0 }
  #cancelWall = (): void => {}

  constructor(components: TaskExecutionComponents, init: TaskExecutionInit) {
    this.#components = components
    this.#init = init
    this.#process = init.process
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#log = cappedLog((line) => this.#tell(() => init.request.onLog?.(line)))
    this.#stopwatch = new Stopwatch(components.clock)
    this.#lastProgress = components.clock.monotonic()
  }

  /** Hands the task to its process and starts the clock. */
  begin(): void {
    const { request, shape, state, process } = this.#init
    process.allow(runningCaps(request.limits.outputBytes))
    process.listen({
      onFrame: (frame) => this.#onFrame(frame),
      onFault: (code, message) => this.#fault(code, message),
    })
    process.send(
      'load',
      encodeLoadHeader({ ...request.limits, stateWords: shape.stateWords }),
      request.module,
    )
    process.send('input', request.input)
    if (state !== null) process.send('checkpoint', state)
    process.send('go')
    this.#armWall()
  }

  async freeze(): Promise<void> {
    if (this.#decided) return
    if (this.#freezing === null) {
      this.#freezing = this.#process.freeze()
      this.#cancelWall()
      this.#stopwatch.pause()
    }
    await this.#freezing
  }

  async thaw(): Promise<void> {
    if (this.#freezing === null || this.#decided) return
    this.#freezing = null
    this.#stopwatch.resume()
    this.#armWall()
    await this.#process.thaw()
  }

  async kill(reason: string): Promise<void> {
    this.#decide({ kind: 'killed', reason })
    await this.#process.kill()
  }

  async checkpoint(): Promise<void> {
    if (this.#init.shape.entry !== 'step') {
      throw new AskeeError('sandbox/not-stepwise', 'expected a module with step(), this one has run()')
    }
    if (this.#decided || this.#isSuspending) return
    this.#isSuspending = true
    this.#process.send('suspend')
  }

  async usage(): Promise<UsageReport> {
    const counted = await this.#process.usage()
    return {
      cpuTime: counted?.cpuTime ?? this.#self.cpuMilliseconds,
      wallTime: this.#stopwatch.running(),
      frozenTime: this.#stopwatch.frozen(),
      peakMemoryBytes: counted?.peakMemoryBytes ?? this.#self.peakMemoryBytes,
    }
  }

  #onFrame(frame: Frame): void {
    if (this.#decided) return
    this.#frames += 1
    const seconds = (this.#stopwatch.running() + this.#stopwatch.frozen()) / 1000
    if (this.#frames > FRAMES_AT_ONCE + FRAMES_PER_SECOND * seconds) {
      throw new AskeeError('sandbox/frame', `expected fewer frames than ${this.#frames} in ${seconds} s`)
    }
    const { limits } = this.#init.request
    if (frame.name === 'log') this.#log(frame.payload)
    else if (frame.name === 'progress') this.#onProgress(decodeProgress(frame.payload, limits.fuel))
    else if (frame.name === 'checkpoint') this.#onCheckpoint(frame.payload)
    else if (frame.name === 'fault') {
      const { code, message } = decodeFault(frame.payload)
      this.#fault(code, message)
    } else {
      const { result, self } = decodeResult(frame.payload, limits.fuel)
      this.#self = self
      this.#decide({ kind: 'completed', result })
    }
  }

  #onProgress({ fuel, self }: { fuel: Fuel; self: SelfReport }): void {
    this.#self = self
    const now = this.#components.clock.monotonic()
    if (now - this.#lastProgress < PROGRESS_PERIOD) return
    this.#lastProgress = now
    this.#tell(() => this.#init.request.onProgress?.({ fuel }))
  }

  #onCheckpoint(state: Uint8Array): void {
    const { request, bounds } = this.#init
    if (!this.#isSuspending)
      throw new AskeeError('sandbox/frame', 'expected no checkpoint: none was asked for')
    try {
      checkState(state, bounds)
    } catch (error) {
      throw new AskeeError('sandbox/frame', errorText(error))
    }
    const checkpoint = sealCheckpoint(request.module, request.input, state)
    this.#decide({ kind: 'checkpointed', checkpoint, fuel: stateFuel(state) as Fuel })
  }

  #fault(code: FaultCode, message: string): void {
    if (this.#decided) return
    this.#components.logger.warn({ code, message, pid: this.#process.pid }, 'a task failed on this node')
    this.#decide({ kind: 'fault', code, message })
  }

  #decide(outcome: ExecutionOutcome): void {
    if (this.#decided) return
    this.#decided = true
    this.#stopwatch.stop()
    this.#cancelWall()
    const gone = this.#process.kill()
    const hasAnswer = outcome.kind === 'completed' || outcome.kind === 'checkpointed'
    if (hasAnswer) this.#resolve(outcome)
    else void gone.then(() => this.#resolve(outcome))
  }

  #armWall(): void {
    const { wallTime } = this.#init.request.limits
    this.#cancelWall()
    this.#cancelWall = this.#components.timers.after(Math.max(0, wallTime - this.#stopwatch.running()), () =>
      this.#fault('fault/wall-time', `expected an end within ${wallTime} ms`),
    )
  }

  /** A listener that throws must not take the agent down, nor the task. */
  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#components.logger.error({ error: errorText(error) }, 'a listener of a task failed')
    }
  }
}

/** An execution that failed before a process had it. */
export function failedExecution(code: FaultCode, message: string): Execution {
  return {
    outcome: Promise.resolve({ kind: 'fault', code, message }),
    freeze: async () => undefined,
    thaw: async () => undefined,
    kill: async () => undefined,
    checkpoint: async () => undefined,
    usage: async () => ({ cpuTime: 0, wallTime: 0, frozenTime: 0, peakMemoryBytes: 0 }),
  }
}
