import type { Fuel } from '@askee/core'
import type {
  EngineDescription,
  Execution,
  ExecutionOutcome,
  ExecutionRequest,
  Executor,
  TaskResult,
} from '@askee/sandbox'

type EngineName = EngineDescription['engine']

export type TaskFunction = (request: ExecutionRequest) => TaskResult | Promise<TaskResult>

/**
 * An Executor that computes a function in this process: for tests of what stands around execution.
 * @param engine what it says that it is
 */
export function createFunctionExecutor(task: TaskFunction, engine: EngineName = 'v8'): Executor {
  return {
    start: async () => {},
    stop: async () => {},
    describe: () => ({ name: 'function', engine, engineVersion: '0', tier: 'process', layers: [] }),
    async execute(request): Promise<Execution> {
      const killed = Promise.withResolvers<ExecutionOutcome>()
      const run = async (): Promise<ExecutionOutcome> => {
        try {
          return { kind: 'completed', result: await task(request) }
        } catch (error) {
          return { kind: 'fault', code: 'fault/engine', message: String(error) }
        }
      }
      return {
        outcome: Promise.race([run(), killed.promise]),
        freeze: async () => {},
        thaw: async () => {},
        kill: async (reason) => killed.resolve({ kind: 'killed', reason }),
        checkpoint: async () => {},
        usage: async () => ({ cpuTime: 0, wallTime: 0, frozenTime: 0, peakMemoryBytes: 0 }),
      }
    },
  }
}

/** The honest answer of the tests' tasks: every byte of the input plus one; fuel is the length plus one. */
export const honest: TaskFunction = ({ input }) => ({
  output: input.map((byte) => (byte + 1) & 0xff),
  trap: null,
  fuel: BigInt(input.byteLength + 1) as Fuel,
})

/** A wrong answer that all with the same `taste` agree on. */
export function wrong(taste: number): TaskFunction {
  return ({ input }) => ({
    output: input.map((byte) => (byte + 100 + taste) & 0xff),
    trap: null,
    fuel: BigInt(input.byteLength + 1) as Fuel,
  })
}

/** Never ends. */
export const silent: TaskFunction = () => new Promise<TaskResult>(() => {})

/** The smallest module that is admitted: a memory of one page and an empty `run`. */
export const EMPTY_MODULE = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00,
  0x05, 0x04, 0x01, 0x01, 0x01, 0x01, 0x07, 0x10, 0x02, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00,
  0x03, 0x72, 0x75, 0x6e, 0x00, 0x00, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b,
])
