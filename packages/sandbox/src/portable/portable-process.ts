import { AskeeError, type Timers } from '@askee/core'
import type { FrameCaps, FrameName } from '../frames.ts'
import type { ProcessUsage, RunnerListener, TaskProcess } from '../task-process.ts'
import { isStopped, type ProcessSample, sampleProcess } from './process-sample.ts'
import type { RunnerProcess } from './runner-process.ts'

/** How often a task's memory is looked at; it can overshoot for that long. */
const WATCH_PERIOD = 100
const STOP_POLL = 1

/** A runner with what this process does for it from outside: signals, and an eye on its memory. */
export class PortableProcess implements TaskProcess {
  readonly exited: Promise<void>
  readonly #timers: Timers
  readonly #runner: RunnerProcess
  readonly #mostBytes: number
  readonly #baseline: ProcessSample | null
  #sample: ProcessSample | null
  #isFrozen = false
  #cancelWatch = (): void => {}

  /** @param mostBytes resident memory above which the task is a fault of this node */
  constructor(timers: Timers, runner: RunnerProcess, mostBytes: number) {
    this.#timers = timers
    this.#runner = runner
    this.#mostBytes = mostBytes
    this.exited = runner.exited
    this.#baseline = sampleProcess(runner.pid ?? -1)
    this.#sample = this.#baseline
  }

  get pid(): number | undefined {
    return this.#runner.pid
  }

  get isGone(): boolean {
    return this.#runner.isGone
  }

  listen(listener: RunnerListener): void {
    this.#cancelWatch()
    this.#runner.listen(listener)
    this.#cancelWatch = this.#timers.every(WATCH_PERIOD, () => this.#watch(listener))
  }

  allow(caps: FrameCaps): void {
    this.#runner.allow(caps)
  }

  send(name: FrameName, ...parts: readonly Uint8Array[]): void {
    this.#runner.send(name, ...parts)
  }

  freeze(): Promise<void> {
    if (process.platform === 'win32') {
      throw new AskeeError(
        'sandbox/unsupported',
        'Windows cannot freeze a process from Node; kill it instead',
      )
    }
    this.#isFrozen = true
    this.#runner.signal('SIGSTOP')
    return this.#untilStopped()
  }

  async thaw(): Promise<void> {
    this.#isFrozen = false
    this.#runner.signal('SIGCONT')
  }

  kill(): Promise<void> {
    this.#cancelWatch()
    this.#takeSample()
    return this.#runner.kill()
  }

  async usage(): Promise<ProcessUsage | null> {
    this.#takeSample()
    if (this.#sample === null) return null
    return {
      cpuTime: Math.max(0, this.#sample.cpuTime - (this.#baseline?.cpuTime ?? 0)),
      peakMemoryBytes: this.#sample.peakBytes,
    }
  }

  async #untilStopped(): Promise<void> {
    while (this.#isFrozen && !this.#runner.isGone && isStopped(this.#runner.pid ?? -1) === false) {
      await this.#timers.sleep(STOP_POLL)
    }
  }

  #watch(listener: RunnerListener): void {
    this.#takeSample()
    const resident = this.#sample?.residentBytes ?? 0
    if (resident <= this.#mostBytes) return
    const text = `expected a process of at most ${this.#mostBytes} bytes, found ${resident}`
    listener.onFault('fault/host-memory', text)
  }

  #takeSample(): void {
    const { pid } = this.#runner
    if (pid === undefined || this.#runner.isGone) return
    const sample = sampleProcess(pid)
    // A process that has just died has no memory left in /proc: what was seen before stands.
    if (sample !== null && sample.peakBytes > 0) this.#sample = sample
  }
}
