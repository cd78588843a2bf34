import { AskeeError, digestOf, type LeaseId, type Mesh, type Random } from '@askee/core'
import type { ExecutionOutcome, TaskResult } from '@askee/sandbox'
import type { Budget } from '../budget.ts'
import { INLINE_OUTPUT_BYTES, MAX_INPUT_BYTES } from '../protocol/names.ts'
import { claimDigest, commitmentOf } from '../protocol/result.ts'
import type { GatedWork, Permit } from './gated-work.ts'
import type { CommittedResult, Materials } from './materials.ts'
import type { InstrumentedModule, Modules } from './modules.ts'

export interface ExecutionComponents {
  readonly mesh: Mesh
  readonly gated: GatedWork
  readonly random: Random
  readonly modules: Modules
  /** Of tasks run at once. */
  readonly slots: Budget
}

/**
 * Fetches, admits and instruments the module, fetches the input, and runs the task, asking the consent before each.
 * @param onStart called when the task runs
 * @throws AskeeError `consent/*`, `mesh/*`, `wasm/*`, `compute/input`, `fault/*`, `blocks/full`: this node gives no answer
 */
export async function execute(
  components: ExecutionComponents,
  lease: { readonly id: LeaseId; readonly consent: string },
  materials: Materials,
  onStart: () => void,
): Promise<CommittedResult> {
  const { signed, abort } = materials
  const { manifest, id: campaign } = signed
  const { gated } = components
  const permit: Permit = { consent: lease.consent, campaign, manifest }
  // CON-1: what was allowed at the assignment may have ended while the task waited, or while something was fetched: the
  // gate is asked before each step.
  abort.signal.throwIfAborted()
  const module = await components.modules.get(permit, abort.signal)
  abort.signal.throwIfAborted()
  const input = await inputOf(gated, permit, materials)
  abort.signal.throwIfAborted()
  const run = () => outcomeOf(gated, permit, { ...module, input }, abort.signal, onStart)
  const outcome = await components.slots.use(1, run, abort.signal)
  return committed(components, lease.id, permit, materials, resultOf(outcome))
}

/** Runs the task until it is over, and its process gone. */
async function outcomeOf(
  gated: GatedWork,
  permit: Permit,
  task: InstrumentedModule & { readonly input: Uint8Array },
  signal: AbortSignal,
  onStart: () => void,
): Promise<ExecutionOutcome> {
  const { fuel, memoryBytes, outputBytes, wallTime } = permit.manifest.resources
  const execution = await gated.run(permit, task.digest, {
    module: task.bytes,
    input: task.input,
    limits: { fuel, memoryBytes, outputBytes, wallTime },
  })
  let killed: Promise<void> | null = null
  const kill = (): void => {
    killed = execution.kill(String(signal.reason)).catch(() => undefined)
  }
  if (signal.aborted) kill()
  else signal.addEventListener('abort', kill, { once: true })
  onStart()
  const outcome = await execution.outcome
  signal.removeEventListener('abort', kill)
  await killed
  return outcome
}

async function inputOf(
  gated: GatedWork,
  permit: Permit,
  { input, bytes, abort }: Materials,
): Promise<Uint8Array> {
  if (bytes === null) return gated.fetch(permit, input, { maxBytes: MAX_INPUT_BYTES, signal: abort.signal })
  // CMP-9: content-addressed however it came.
  if (digestOf(bytes) !== input)
    throw new AskeeError('compute/input', 'the input is not the one that was named')
  return bytes
}

function resultOf(outcome: ExecutionOutcome): TaskResult {
  switch (outcome.kind) {
    case 'completed':
      return outcome.result
    case 'fault':
      throw new AskeeError(outcome.code, outcome.message)
    case 'killed':
      throw new AskeeError('compute/killed', outcome.reason)
    case 'checkpointed':
      throw new AskeeError('compute/interrupted', 'the task was stopped at a checkpoint')
    default:
      return outcome satisfies never
  }
}

async function committed(
  { mesh, gated, random }: ExecutionComponents,
  lease: LeaseId,
  permit: Permit,
  { input }: Materials,
  { output, trap, fuel }: TaskResult,
): Promise<CommittedResult> {
  const { module } = permit.manifest
  const outputDigest = digestOf(output)
  const nonce = random.bytes(32)
  const claim = claimDigest({ module, input, output: outputDigest, trap, fuel })
  const stored = gated.hasStore && output.byteLength > INLINE_OUTPUT_BYTES
  const release = stored ? await gated.keep(permit, lease, output) : (): void => {}
  return {
    output: stored ? null : output,
    outputBytes: output.byteLength,
    outputDigest,
    trap,
    fuel,
    nonce,
    commitment: commitmentOf(claim, nonce, mesh.self, lease),
    release,
  }
}
