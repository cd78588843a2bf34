import type { Milliseconds, Timers } from '@askee/core'
import { awaitHello, expectConfiguration } from '../hello.ts'
import type { Starting } from '../spare-pool.ts'
import { type RunnerCommand, RunnerProcess } from './runner-process.ts'

export interface RunnerStartInit {
  readonly command: RunnerCommand
  /** What HELLO must say. */
  readonly configuration: string
  readonly startTimeout: Milliseconds
}

/** Starts a runner; it is ready when it said HELLO. */
export function startRunner(timers: Timers, init: RunnerStartInit): Starting<RunnerProcess> {
  const runner = new RunnerProcess(init.command)
  return {
    process: runner,
    ready: awaitHello(timers, runner, init.startTimeout, expectConfiguration(init.configuration)),
  }
}
