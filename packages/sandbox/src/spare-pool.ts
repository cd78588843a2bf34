import type { Milliseconds, Timers } from '@askee/core'

/** What can be kept ready. */
export interface Spare {
  readonly isGone: boolean
  readonly exited: Promise<void>
  kill(): Promise<void>
}

/** A process on its way to being ready for a task. */
export interface Starting<P> {
  readonly process: P
  /** Rejects with an AskeeError when it does not come to that; the process is dead then. */
  readonly ready: Promise<void>
}

export interface SparePoolInit<P> {
  /** Starts a process of this kind. */
  launch(kind: string): Starting<P>
  /** Started processes kept ready once a task has been executed. */
  readonly spares: number
  readonly spareIdle: Milliseconds
}

/**
 * Starts processes, and keeps some started ones that no task has touched. A process serves one task and is never returned.
 * Spares are of one kind at a time, that of the last refill: tasks come in campaigns.
 */
export class SparePool<P extends Spare> {
  readonly #timers: Timers
  readonly #init: SparePoolInit<P>
  readonly #spares: Starting<P>[] = []
  readonly #alive = new Set<P>()
  #kind = ''
  #cancelIdle = (): void => {}

  constructor(timers: Timers, init: SparePoolInit<P>) {
    this.#timers = timers
    this.#init = init
  }

  /**
   * A process that is ready for a task of this kind.
   * @throws AskeeError as `launch` says
   */
  async acquire(kind: string): Promise<P> {
    const spare = kind === this.#kind ? this.#spares.shift() : undefined
    if (spare !== undefined) {
      const isReady = await spare.ready.then(
        () => !spare.process.isGone,
        () => false,
      )
      if (isReady) return spare.process
    }
    const fresh = this.#launch(kind)
    await fresh.ready
    return fresh.process
  }

  /** Fills up the spares and puts off their end. */
  refill(kind: string): void {
    if (kind !== this.#kind) this.#dismissSpares()
    this.#kind = kind
    this.#cancelIdle()
    this.#cancelIdle = this.#timers.after(this.#init.spareIdle, () => this.#dismissSpares())
    while (this.#spares.length < this.#init.spares) {
      const spare = this.#launch(kind)
      this.#spares.push(spare)
      const drop = () => {
        const index = this.#spares.indexOf(spare)
        if (index >= 0) this.#spares.splice(index, 1)
      }
      spare.ready.catch(drop)
      void spare.process.exited.then(drop)
    }
  }

  /** Ends every process, in use or not; resolves when all are gone. */
  async close(): Promise<void> {
    this.#cancelIdle()
    this.#spares.length = 0
    await Promise.all([...this.#alive].flatMap((one) => [one.kill(), one.exited]))
  }

  #dismissSpares(): void {
    for (const spare of this.#spares.splice(0)) void spare.process.kill()
  }

  #launch(kind: string): Starting<P> {
    const starting = this.#init.launch(kind)
    this.#alive.add(starting.process)
    void starting.process.exited.then(() => this.#alive.delete(starting.process))
    return starting
  }
}
