import { AskeeError, type Digest, digestOf, type LeaseId, type Mesh, type Random } from '@askee/core'
import type { ExecutionOutcome, TaskResult } from '@askee/sandbox'
import { instrumentInThread } from '@askee/wasm'
import type { Budget } from '../budget.ts'
import { INLINE_OUTPUT_BYTES, MAX_INPUT_BYTES, MAX_MODULE_BYTES } from '../protocol/names.ts'
import { claimDigest, commitmentOf } from '../protocol/result.ts'
import type { GatedWork, Permit } from './gated-work.ts'
import type { LruCache } from './lru-cache.ts'
import type { CommittedResult, Materials } from './materials.ts'

/** A module that passed admission, and its digest. */
export interface InstrumentedModule {
  readonly bytes: Uint8Array
  readonly digest: Digest
}

export interface ExecutionComponents {
  readonly mesh: Mesh
  readonly gated: GatedWork
  readonly random: Random
  readonly modules: LruCache<string, InstrumentedModule>
  /** Of modules fetched and instrumented at once: each may take a thread and much memory. */
  readonly passes: Budget
  /** Aborts when the worker stops: a module is fetched for all who want it. */
  readonly stopping: () => AbortSignal
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
  // The pass lowers the declared memory to the campaign's limit, so the same module differs between limits.
  // Under each consent apart: what one fetches and keeps is not another's, nor is its end.
  const key = `${lease.consent}/${manifest.module}/${manifest.resources.memoryBytes}`
  // CON-1: what was allowed at the assignment may have ended while the task waited, or while something was fetched: the
  // gate is asked before each step.
  abort.signal.throwIfAborted()
  const module = await components.modules.get(key, () =>
    components.passes.use(1, () => fetchModule(components, permit)),
  )
  abort.signal.throwIfAborted()
  const input = await inputOf(gated, permit, materials)
  abort.signal.throwIfAborted()
  const { fuel, memoryBytes, outputBytes, wallTime } = manifest.resources
  const execution = await gated.run(permit, module.digest, {
    module: module.bytes,
    input,
    limits: { fuel, memoryBytes, outputBytes, wallTime },
  })
  let killed: Promise<void> | null = null
  const kill = (): void => {
    killed = execution.kill(String(abort.signal.reason)).catch(() => undefined)
  }
  if (abort.signal.aborted) kill()
  else abort.signal.addEventListener('abort', kill, { once: true })
  onStart()
  const outcome = await execution.outcome
  abort.signal.removeEventListener('abort', kill)
  // Over only when its process is gone.
  await killed
  return committed(components, lease.id, permit, materials, resultOf(outcome))
}

async function fetchModule(
  { gated, stopping }: ExecutionComponents,
  permit: Permit,
): Promise<InstrumentedModule> {
  const { module, resources } = permit.manifest
  const signal = stopping()
  signal.throwIfAborted()
  const fetched = await gated.fetch(permit, module, { maxBytes: MAX_MODULE_BYTES, signal })
  const options = { abi: 'askee', maxMemoryBytes: resources.memoryBytes } as const
  const { bytes } = await instrumentInThread(fetched, options, signal)
  return { bytes, digest: digestOf(bytes) }
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
