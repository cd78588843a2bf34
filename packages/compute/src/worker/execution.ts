import type { ConsentGate, ConsentQuestion } from '@askee/consent'
import {
  AskeeError,
  type BlockStore,
  digestOf,
  type LeaseId,
  type Mesh,
  type NodeId,
  type Random,
} from '@askee/core'
import type { ExecutionOutcome, Executor, TaskResult } from '@askee/sandbox'
import { instrumentInThread } from '@askee/wasm'
import type { Budget } from '../budget.ts'
import { putPinned } from '../pinned-block.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { INLINE_OUTPUT_BYTES, MAX_INPUT_BYTES, MAX_MODULE_BYTES } from '../protocol/names.ts'
import { claimDigest, commitmentOf } from '../protocol/result.ts'
import type { LruCache } from './lru-cache.ts'
import type { CommittedResult, Materials } from './materials.ts'

export interface ExecutionComponents {
  readonly mesh: Mesh
  /** Where large outputs wait for their reveal; without it in memory. */
  readonly blocks?: BlockStore
  readonly executor: Executor
  readonly consents: ConsentGate
  readonly random: Random
  readonly modules: LruCache<string, Uint8Array>
  /** Of modules fetched and instrumented at once: each may take a thread and much memory. */
  readonly passes: Budget
  /** Aborts when the worker stops: a module is fetched for all who want it. */
  readonly stopping: () => AbortSignal
  readonly requesterReputation: (requester: NodeId) => number
}

/** What a consent is asked about a campaign's tasks. */
export function questionOf(
  { requester, kind, resources }: Manifest,
  reputation: (requester: NodeId) => number,
): ConsentQuestion {
  return {
    requester,
    kind,
    memoryBytes: resources.memoryBytes,
    durationMs: resources.wallTime,
    requesterReputation: reputation(requester),
  }
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
  const { manifest } = signed
  // The pass lowers the declared memory to the campaign's limit, so the same module differs between limits.
  const key = `${manifest.module}/${manifest.resources.memoryBytes}`
  // CON-1: what was allowed at the assignment may have ended while the task waited, or while something was fetched.
  const assertConsent = (): void => {
    abort.signal.throwIfAborted()
    components.consents.check(lease.consent, questionOf(manifest, components.requesterReputation))
  }
  assertConsent()
  const module = await components.modules.get(key, () =>
    components.passes.use(1, () => fetchModule(components, manifest)),
  )
  if (materials.bytes === null) assertConsent()
  const input = await inputOf(components.mesh, materials)
  assertConsent()
  const { fuel, memoryBytes, outputBytes, wallTime } = manifest.resources
  const execution = await components.executor.execute({
    module,
    input,
    limits: { fuel, memoryBytes, outputBytes, wallTime },
  })
  const kill = (): void => void execution.kill(String(abort.signal.reason)).catch(() => undefined)
  if (abort.signal.aborted) kill()
  else abort.signal.addEventListener('abort', kill, { once: true })
  onStart()
  const outcome = await execution.outcome
  abort.signal.removeEventListener('abort', kill)
  return committed(components, lease.id, manifest, materials, resultOf(outcome))
}

async function fetchModule({ mesh, stopping }: ExecutionComponents, manifest: Manifest): Promise<Uint8Array> {
  const { module, requester, resources } = manifest
  const signal = stopping()
  signal.throwIfAborted()
  const bytes = await mesh.getBlock(module, { providers: [requester], maxBytes: MAX_MODULE_BYTES, signal })
  const options = { abi: 'askee', maxMemoryBytes: resources.memoryBytes } as const
  return (await instrumentInThread(bytes, options, signal)).bytes
}

async function inputOf(mesh: Mesh, { signed, input, bytes, abort }: Materials): Promise<Uint8Array> {
  if (bytes === null) {
    const providers = [signed.manifest.requester]
    return mesh.getBlock(input, { providers, maxBytes: MAX_INPUT_BYTES, signal: abort.signal })
  }
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
  { mesh, blocks, random }: ExecutionComponents,
  lease: LeaseId,
  { module }: Manifest,
  { input }: Materials,
  { output, trap, fuel }: TaskResult,
): Promise<CommittedResult> {
  const outputDigest = digestOf(output)
  const nonce = random.bytes(32)
  const claim = claimDigest({ module, input, output: outputDigest, trap, fuel })
  const stored = blocks !== undefined && output.byteLength > INLINE_OUTPUT_BYTES
  // In the store alone: announced, its digest would tell others the answer before the reveal.
  const release = stored ? await putPinned(blocks, output) : (): void => {}
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
