import { AskeeError, type Clock, errorText, type Fuel, type Logger, type Timers } from '@askee/core'
import { checkState, type StateBounds, sealCheckpoint, stateFuel } from './checkpoint.ts'
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
import type { ModuleShape } from './module-shape.ts'
import { isStopped, type ProcessSample, sampleProcess } from './process-sample.ts'
import type { RunnerProcess } from './runner-process.ts'
import { Stopwatch } from './stopwatch.ts'

/** Ten a second, as the port promises. */
const PROGRESS_PERIOD = 100
/** How often a task's memory is looked at; it can overshoot for that long. */
const WATCH_PERIOD = 100
const STOP_POLL = 1
/** Frames an honest runner may send: all its log lines and some twenty reports of progress a second. */
const FRAMES_AT_ONCE = MAX_LOG_BYTES / MIN_LOG_LINE_CHARGE + 100
const FRAMES_PER_SECOND = 20

export interface PortableExecutionComponents {
  readonly timers: Timers
  readonly clock: Clock
  readonly logger: Logger
}

export interface PortableExecutionInit {
  readonly runner: RunnerProcess
  readonly request: ExecutionRequest
  readonly shape: ModuleShape
  readonly bounds: StateBounds
  /** State of `request.resumeFrom`, already checked. */
  readonly state: Uint8Array | null
  /** Resident memory at which the process is killed, bytes. */
  readonly processBytes: number
}

/** One task in one runner. The first thing that decides its outcome wins; every way out kills the process. */
export class PortableExecution implements Execution {
  readonly outcome: Promise<ExecutionOutcome>
  readonly #components: PortableExecutionComponents
  readonly #init: PortableExecutionInit
  readonly #runner: RunnerProcess
  readonly #stopwatch: Stopwatch
  readonly #log: (bytes: Uint8Array) => void
  readonly #baseline: ProcessSample | null
  #resolve: (outcome: ExecutionOutcome) => void = () => undefined
  #decided = false
  #isFrozen = false
  #isSuspending = false
  #frames = 0
  #lastProgress: number
  #sample: ProcessSample | null
  #self: SelfReport = { cpuMilliseconds: 0, peakMemoryBytes: 0 }
  #cancelWall = (): void => {}
  #cancelWatch = (): void => {}

  constructor(components: PortableExecutionComponents, init: PortableExecutionInit) {
    this.#components = components
    this.#init = init
    this.#runner = init.runner
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#log = cappedLog((line) => this.#tell(() => init.request.onLog?.(line)))
    this.#baseline = sampleProcess(init.runner.pid ?? -1)
    this.#sample = this.#baseline
    this.#stopwatch = new Stopwatch(components.clock)
    this.#lastProgress = components.clock.monotonic()
  }

  /** Hands the task to the runner and starts the clock. */
  begin(): void {
    const { request, shape, state } = this.#init
    const runner = this.#runner
    runner.allow(runningCaps(request.limits.outputBytes))
    runner.listen({
      onFrame: (frame) => this.#onFrame(frame),
      onViolation: (error) => this.#fault('fault/engine', error.message),
      onClose: (how) => this.#fault('fault/child-died', `the runner ended without a result: ${how}`),
    })
    runner.send('load', encodeLoadHeader({ ...request.limits, stateWords: shape.stateWords }), request.module)
    runner.send('input', request.input)
    if (state !== null) runner.send('checkpoint', state)
    runner.send('go')
    this.#armWall()
    this.#cancelWatch = this.#components.timers.every(WATCH_PERIOD, () => this.#watch())
  }

  async freeze(): Promise<void> {
    if (process.platform === 'win32') {
      throw new AskeeError(
        'sandbox/unsupported',
        'Windows cannot freeze a process from Node; kill it instead',
      )
    }
    if (this.#decided) return
    if (!this.#isFrozen) {
      this.#isFrozen = true
      this.#cancelWall()
      this.#runner.signal('SIGSTOP')
      this.#stopwatch.pause()
    }
    while (this.#isFrozen && !this.#runner.isGone && isStopped(this.#runner.pid ?? -1) === false) {
      await this.#components.timers.sleep(STOP_POLL)
    }
  }

  async thaw(): Promise<void> {
    if (!this.#isFrozen || this.#decided) return
    this.#isFrozen = false
    this.#stopwatch.resume()
    this.#runner.signal('SIGCONT')
    this.#armWall()
  }

  async kill(reason: string): Promise<void> {
    this.#decide({ kind: 'killed', reason })
    await this.#runner.exited
  }

  async checkpoint(): Promise<void> {
    if (this.#init.shape.entry !== 'step') {
      throw new AskeeError('sandbox/not-stepwise', 'expected a module with step(), this one has run()')
    }
    if (this.#decided || this.#isSuspending) return
    this.#isSuspending = true
    this.#runner.send('suspend')
  }

  async usage(): Promise<UsageReport> {
    if (!this.#decided) this.#takeSample()
    const cpu = this.#sample?.cpuTime ?? this.#self.cpuMilliseconds
    return {
      cpuTime: Math.max(0, cpu - (this.#baseline?.cpuTime ?? 0)),
      wallTime: this.#stopwatch.running(),
      frozenTime: this.#stopwatch.frozen(),
      peakMemoryBytes: this.#sample?.peakBytes ?? this.#self.peakMemoryBytes,
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
    this.#components.logger.warn({ code, message, pid: this.#runner.pid }, 'a task failed on this node')
    this.#decide({ kind: 'fault', code, message })
  }

  #decide(outcome: ExecutionOutcome): void {
    if (this.#decided) return
    this.#takeSample()
    this.#decided = true
    this.#stopwatch.stop()
    this.#cancelWall()
    this.#cancelWatch()
    const gone = this.#runner.kill()
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

  #watch(): void {
    this.#takeSample()
    const resident = this.#sample?.residentBytes ?? 0
    const { processBytes } = this.#init
    if (resident > processBytes) {
      this.#fault(
        'fault/host-memory',
        `expected a process of at most ${processBytes} bytes, found ${resident}`,
      )
    }
  }

  #takeSample(): void {
    const { pid } = this.#runner
    if (pid === undefined || this.#runner.isGone) return
    const sample = sampleProcess(pid)
    // A process that has just died has no memory left in /proc: what was seen before stands.
    if (sample !== null && sample.peakBytes > 0) this.#sample = sample
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
