import { AskeeError, errorText } from '@askee/core'
import type { Execution, ExecutionRequest } from './executor.ts'
import type { Spare, SparePool } from './spare-pool.ts'
import { failedExecution, TaskExecution, type TaskExecutionComponents } from './task-execution.ts'
import type { TaskProcess } from './task-process.ts'
import { checkRequest, prepareTask } from './task-request.ts'

const REFILL_DELAY = 10

export interface TaskLauncherInit<P> {
  readonly pool: SparePool<P & Spare>
  /** Which spares serve this request. */
  kindOf(request: ExecutionRequest): string
  /** The started process as one that can be handed this request. */
  serve(process: P, request: ExecutionRequest): TaskProcess
}

/** The way of a request into a process, the same for every executor. Lives from start to stop of one. */
export class TaskLauncher<P> {
  readonly #components: TaskExecutionComponents
  readonly #init: TaskLauncherInit<P>
  #isClosed = false

  constructor(components: TaskExecutionComponents, init: TaskLauncherInit<P>) {
    this.#components = components
    this.#init = init
  }

  /** @throws AskeeError `sandbox/limits`, `sandbox/stopped` */
  async execute(request: ExecutionRequest): Promise<Execution> {
    if (this.#isClosed) throw new AskeeError('sandbox/stopped', 'expected a started executor')
    checkRequest(request)
    const prepared = prepareTask(request)
    if ('code' in prepared) return failedExecution(prepared.code, prepared.message)
    const { pool, kindOf, serve } = this.#init
    const kind = kindOf(request)
    try {
      const process = serve(await pool.acquire(kind), request)
      const execution = new TaskExecution(this.#components, { ...prepared, process, request })
      execution.begin()
      if (this.#isClosed) await execution.kill('the executor was stopped')
      else this.#refillAfter(execution, kind)
      return execution
    } catch (error) {
      return failedExecution('fault/start', errorText(error))
    }
  }

  /** Ends every process; resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#init.pool.close()
  }

  /** Starting a process holds this thread for some milliseconds: the task and who waits for it go first. */
  #refillAfter(execution: Execution, kind: string): void {
    const { timers } = this.#components
    const refill = () => {
      cancel()
      if (!this.#isClosed) this.#init.pool.refill(kind)
    }
    const cancel = timers.after(REFILL_DELAY, refill)
    void execution.outcome.then(() => timers.after(0, refill))
  }
}
