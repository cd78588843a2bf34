import { AskeeError, type Milliseconds, type Timers } from '@askee/core'
import { decodeHello } from './messages.ts'
import { type RunnerCommand, RunnerProcess } from './runner-process.ts'

export interface RunnerPoolInit {
  readonly command: RunnerCommand
  /** What HELLO must say. */
  readonly configuration: string
  /** Started runners kept ready once a task has been executed. */
  readonly spares: number
  readonly spareIdle: Milliseconds
  readonly startTimeout: Milliseconds
}

interface Starting {
  readonly runner: RunnerProcess
  /** Rejects with `sandbox/start`. */
  readonly ready: Promise<void>
}

/** Starts runners, and keeps some started ones that no task has touched. A runner serves one task and is never returned. */
export class RunnerPool {
  readonly #timers: Timers
  readonly #init: RunnerPoolInit
  readonly #spares: Starting[] = []
  readonly #alive = new Set<RunnerProcess>()
  #cancelIdle = (): void => {}

  constructor(timers: Timers, init: RunnerPoolInit) {
    this.#timers = timers
    this.#init = init
  }

  /**
   * A runner that said HELLO.
   * @throws AskeeError `sandbox/start`
   */
  async acquire(): Promise<RunnerProcess> {
    const spare = this.#spares.shift()
    if (spare !== undefined) {
      const isReady = await spare.ready.then(
        () => !spare.runner.isGone,
        () => false,
      )
      if (isReady) return spare.runner
    }
    const fresh = this.#launch()
    await fresh.ready
    return fresh.runner
  }

  /** Fills up the spares and puts off their end. */
  refill(): void {
    this.#cancelIdle()
    this.#cancelIdle = this.#timers.after(this.#init.spareIdle, () => this.#dismissSpares())
    while (this.#spares.length < this.#init.spares) {
      const spare = this.#launch()
      this.#spares.push(spare)
      const drop = () => {
        const index = this.#spares.indexOf(spare)
        if (index >= 0) this.#spares.splice(index, 1)
      }
      spare.ready.catch(drop)
      void spare.runner.exited.then(drop)
    }
  }

  /** Ends every runner, in use or not; resolves when all are gone. */
  async close(): Promise<void> {
    this.#cancelIdle()
    this.#spares.length = 0
    await Promise.all([...this.#alive].map((runner) => runner.kill()))
  }

  #dismissSpares(): void {
    for (const spare of this.#spares.splice(0)) void spare.runner.kill()
  }

  #launch(): Starting {
    const runner = new RunnerProcess(this.#init.command)
    this.#alive.add(runner)
    void runner.exited.then(() => this.#alive.delete(runner))
    return { runner, ready: this.#hello(runner) }
  }

  #hello(runner: RunnerProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (text: string) => {
        cancel()
        void runner.kill()
        reject(new AskeeError('sandbox/start', `the runner did not start: ${text}`))
      }
      const cancel = this.#timers.after(this.#init.startTimeout, () => fail('it said nothing in time'))
      runner.listen({
        onFrame: (frame) => {
          const received = decodeHello(frame.payload)
          // A second frame before GO is out of order.
          runner.allow({})
          if (received !== this.#init.configuration) {
            fail(`expected "${this.#init.configuration}", received "${received}"`)
            return
          }
          cancel()
          resolve()
        },
        onViolation: (error) => fail(error.message),
        onClose: (how) => fail(how),
      })
    })
  }
}
