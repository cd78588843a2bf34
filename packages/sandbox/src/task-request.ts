import { AskeeError } from '@askee/core'
import { openCheckpoint, type StateBounds } from './checkpoint.ts'
import { type ExecutionLimits, type ExecutionRequest, type FaultCode, MIN_PROCESS_BYTES } from './executor.ts'
import { MAX_INPUT_BYTES, MAX_MODULE_BYTES, MAX_OUTPUT_BYTES } from './messages.ts'
import { type ModuleShape, readModuleShape } from './module-shape.ts'

const MAX_MEMORY_BYTES = 65_536 * 65_536
/** Longest delay that timers of the system can take. */
const MAX_WALL_TIME = 2_147_483_647
const MAX_FUEL = 2n ** 63n - 1n

/** What the executor found out about a request before a process has it. */
export interface PreparedTask {
  readonly shape: ModuleShape
  readonly bounds: StateBounds
  /** State of `request.resumeFrom`, already checked. */
  readonly state: Uint8Array | null
}

/**
 * Refuses what no executor takes.
 * @throws AskeeError `sandbox/limits`
 */
export function checkRequest({ limits, input }: ExecutionRequest): void {
  checkLimits(limits)
  if (input.byteLength > MAX_INPUT_BYTES) throw outOfRange('input', input.byteLength, 0, MAX_INPUT_BYTES)
}

/** Reads module and checkpoint; what is wrong with them is a fault that the outcome tells. */
export function prepareTask(request: ExecutionRequest): PreparedTask | { code: FaultCode; message: string } {
  const { module, input, limits, resumeFrom } = request
  try {
    if (module.byteLength > MAX_MODULE_BYTES) {
      throw new AskeeError('sandbox/module', `expected a module of at most ${MAX_MODULE_BYTES} bytes`)
    }
    const shape = readModuleShape(module)
    if (shape.maximumMemoryBytes > limits.memoryBytes) {
      const text = `expected a memory of at most ${limits.memoryBytes} bytes, declared ${shape.maximumMemoryBytes}`
      throw new AskeeError('sandbox/module', text)
    }
    const bounds = { ...shape, fuel: limits.fuel, outputBytes: limits.outputBytes }
    if (resumeFrom === undefined) return { shape, bounds, state: null }
    if (shape.entry !== 'step') {
      throw new AskeeError('sandbox/checkpoint', 'bad checkpoint: a module with run() has none')
    }
    return { shape, bounds, state: openCheckpoint(resumeFrom, module, input, bounds) }
  } catch (error) {
    if (!(error instanceof AskeeError)) throw error
    const code = error.code === 'sandbox/checkpoint' ? 'fault/bad-checkpoint' : 'fault/module'
    return { code, message: error.message }
  }
}

function checkLimits(limits: ExecutionLimits): void {
  const {
    fuel,
    memoryBytes,
    outputBytes,
    wallTime,
    cpuPercent = 100,
    processBytes = MIN_PROCESS_BYTES,
  } = limits
  if (fuel < 1n || fuel > MAX_FUEL) throw outOfRange('fuel', fuel, 1, MAX_FUEL)
  expectInteger('memoryBytes', memoryBytes, 0, MAX_MEMORY_BYTES)
  expectInteger('outputBytes', outputBytes, 0, MAX_OUTPUT_BYTES)
  expectInteger('wallTime', Math.ceil(wallTime), 1, MAX_WALL_TIME)
  expectInteger('cpuPercent', cpuPercent, 1, 100)
  expectInteger('processBytes', processBytes, MIN_PROCESS_BYTES, Number.MAX_SAFE_INTEGER)
}

function expectInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw outOfRange(name, value, least, most)
}

function outOfRange(name: string, value: number | bigint, least: number, most: number | bigint): AskeeError {
  return new AskeeError('sandbox/limits', `expected ${name} between ${least} and ${most}, received ${value}`)
}
