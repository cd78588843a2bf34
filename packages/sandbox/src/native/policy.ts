import { AskeeError } from '@askee/core'
import { type ContainmentTier, type ExecutionRequest, MIN_PROCESS_BYTES } from '../executor.ts'

const MIB = 1024 * 1024
/** Requests whose limits differ by less than this share spares. */
const MEMORY_STEP = 16 * MIB
/** The smallest and the largest `memory-bytes` a warden takes. */
const MIN_MEMORY_BYTES = 16 * MIB
const MAX_MEMORY_BYTES = 2 ** 40
/** The warden's own `compile-memory-bytes`. */
const MAX_COMPILE_BYTES = 1024 * MIB
const CACHE_LINE = 'cache-'
/** Machine code for a byte of WebAssembly, generously; the runner holds it once as read and once as mapped. */
const COMPILED_GROWTH = 40

export interface PolicyInit {
  readonly tier: ContainmentTier
  /** What the engine needs of the warden, a line each. */
  readonly engine: readonly string[]
  /** Of the engine, beside what belongs to the task. Bytes. */
  readonly overheadBytes: number
  readonly cgroup?: string
}

/**
 * Lines of POLICY that hold for every task of this executor, for a start without one.
 * @throws AskeeError `sandbox/policy` for a path or name that would be more than one line
 */
export function basicPolicy({ tier, engine, cgroup }: PolicyInit): string {
  const lines = [`tier ${tier}`, ...engine, ...(cgroup === undefined ? [] : [`cgroup ${cgroup}`])]
  const torn = lines.find(isTorn)
  if (torn !== undefined) {
    throw new AskeeError(
      'sandbox/policy',
      `expected a path or name without line breaks and other control characters, got ${JSON.stringify(torn)}: rename what it names`,
    )
  }
  return lines.join('\n')
}

/** Paths come from the environment and from the system: a line break in one would say something else to the warden. */
function isTorn(line: string): boolean {
  return [...line].some((character) => character < ' ' || character === '\u007f')
}

/** POLICY for one task. Without its lines about a cache the warden neither looks for compiled code nor keeps any. */
export function policyOf(policy: PolicyInit, request: ExecutionRequest): string {
  const engine = policy.engine.filter(
    (line) => request.compiled !== 'not-kept' || !line.startsWith(CACHE_LINE),
  )
  const init = { ...policy, engine }
  const { cpuPercent = 100, outputBytes, processBytes } = request.limits
  return [
    basicPolicy(init),
    `memory-bytes ${memoryBytes(init.overheadBytes, request)}`,
    `output-bytes ${outputBytes}`,
    `cpu-percent ${cpuPercent}`,
    ...(processBytes === undefined ? [] : [`compile-memory-bytes ${compileBytes(processBytes)}`]),
  ].join('\n')
}

/** What a compiler may take: no more than the task may, and no more than it is given without a limit. */
function compileBytes(processBytes: number): number {
  return Math.max(MIN_PROCESS_BYTES, Math.min(MAX_COMPILE_BYTES, processBytes))
}

/** All that a task's process may come to: output grows by doubling, a state is held as read and as restored. */
function memoryBytes(overhead: number, { module, input, limits, resumeFrom }: ExecutionRequest): number {
  const state = resumeFrom?.byteLength ?? 0
  const need =
    overhead +
    limits.memoryBytes +
    input.byteLength +
    2 * limits.outputBytes +
    2 * state +
    COMPILED_GROWTH * module.byteLength
  const rounded = Math.ceil(need / MEMORY_STEP) * MEMORY_STEP
  const most = Math.min(MAX_MEMORY_BYTES, limits.processBytes ?? MAX_MEMORY_BYTES)
  return Math.min(most, Math.max(MIN_MEMORY_BYTES, rounded))
}
