import { digestOf, type Fuel, type NodeId } from '@askee/core'
import type { Execution, ExecutionOutcome, ExecutionRequest, Executor } from '@askee/sandbox'
import { falseOutput, faultOn, type Mischief } from './draw.ts'
import type { StolenAnswers } from './mesh.ts'

/** How much longer than honest nodes a slow one takes. */
const SLOWNESS_MS = 3_000
/** Time into a task at which a crasher dies. */
const CRASH_AFTER_MS = 40
/** Fuel that liars claim: plausible, and the same for colluders. */
const CLAIMED_FUEL = 1_000_000n

/**
 * An executor that cheats.
 * - liar: an answer of its own invention, without work; colluder: the same invention as its accomplices
 * - copier: tries to get the answer out of other nodes, and invents one when that fails
 * - crasher: kill -9 of the whole agent in every second task
 * - silent: takes the task and never comes back; slow: works honestly, and late
 */
export function faultyExecutor(
  honest: Executor,
  mischief: Mischief,
  self: () => NodeId,
  stolen: StolenAnswers,
): Executor {
  return {
    start: (signal) => honest.start(signal),
    stop: () => honest.stop(),
    describe: () => honest.describe(),
    execute(request: ExecutionRequest): Promise<Execution> {
      const input = digestOf(request.input)
      switch (faultOn(mischief, input)) {
        case 'liar':
          return Promise.resolve(pretended(claimed(falseOutput(`liar ${self()}`, input))))
        case 'colluder':
          return Promise.resolve(pretended(claimed(falseOutput(`colluders ${mischief.seed}`, input))))
        case 'copier':
          return Promise.resolve(
            pretended(
              stolen.steal(input).then((answer) => claimed(answer ?? falseOutput(`copier ${self()}`, input))),
            ),
          )
        case 'crasher':
          if (Number.parseInt(input.slice(-2), 16) % 2 === 0) {
            setTimeout(() => process.kill(process.pid, 'SIGKILL'), CRASH_AFTER_MS)
          }
          return honest.execute(request)
        case 'silent':
          return Promise.resolve(pretended(new Promise(() => {})))
        case 'slow':
          return honest.execute(request).then(delayed)
      }
    },
  }
}

function claimed(output: Uint8Array): ExecutionOutcome {
  return { kind: 'completed', result: { output, trap: null, fuel: CLAIMED_FUEL as Fuel } }
}

/** An execution in which nothing runs. */
function pretended(answer: ExecutionOutcome | Promise<ExecutionOutcome>): Execution {
  let kill = (_reason: string): void => {}
  const killed = new Promise<ExecutionOutcome>((resolve) => {
    kill = (reason) => resolve({ kind: 'killed', reason })
  })
  return {
    outcome: Promise.race([killed, answer]),
    freeze: async () => {},
    thaw: async () => {},
    kill: async (reason) => kill(reason),
    checkpoint: async () => {},
    usage: async () => ({ cpuTime: 0, wallTime: 0, frozenTime: 0, peakMemoryBytes: 0 }),
  }
}

function delayed(execution: Execution): Execution {
  const late = execution.outcome.then(async (outcome) => {
    if (outcome.kind !== 'killed') await new Promise((resolve) => setTimeout(resolve, SLOWNESS_MS))
    return outcome
  })
  return {
    outcome: late,
    freeze: () => execution.freeze(),
    thaw: () => execution.thaw(),
    kill: (reason) => execution.kill(reason),
    checkpoint: () => execution.checkpoint(),
    usage: () => execution.usage(),
  }
}
