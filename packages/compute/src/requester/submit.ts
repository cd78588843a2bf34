import { AskeeError, type Digest, digestOf, type NodeId, type Random } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { CampaignSpec } from '../api.ts'
import type { CoordinatorConfig, CoordinatorPolicy } from '../coordinator/state.ts'
import { enginesOf, type SignedManifest, signManifest } from '../protocol/manifest.ts'
import { MAX_INPUT_BYTES, MAX_MODULE_BYTES } from '../protocol/names.ts'
import { encodeInputList } from './campaign.ts'

export interface PreparedCampaign {
  readonly signed: SignedManifest
  readonly inputs: readonly Digest[]
  readonly inputList: Uint8Array
}

/**
 * The signed manifest of a request.
 * @throws AskeeError `compute/spec` naming what is out of range
 */
export function prepare(
  components: { identity: Identity; random: Random },
  spec: CampaignSpec,
  now: number,
): PreparedCampaign {
  limit('the module', spec.module.byteLength, MAX_MODULE_BYTES)
  spec.inputs.forEach((input, index) => {
    limit(`input ${index}`, input.byteLength, MAX_INPUT_BYTES)
  })
  const inputs = spec.inputs.map((input) => digestOf(input))
  const inputList = encodeInputList(inputs)
  const { fuel, memoryBytes, outputBytes, wallTime } = spec.resources
  const created = Math.floor(now)
  const signed = signManifest(components.identity, {
    ...(spec.engines === 'diverse' ? { v: 2, engines: spec.engines } : { v: 1 }),
    requester: components.identity.id as NodeId,
    purpose: spec.purpose,
    kind: spec.kind,
    module: digestOf(spec.module),
    inputs: digestOf(inputList),
    count: inputs.length,
    resources: { fuel, memoryBytes, outputBytes, wallTime },
    f: spec.f,
    created,
    deadline: created + spec.deadline,
    minReputation: spec.minReputation,
    nonce: components.random.bytes(16),
  })
  return { signed, inputs, inputList }
}

/** What the coordinator needs to know of a manifest. */
export function configOf({ id, manifest }: SignedManifest, policy: CoordinatorPolicy): CoordinatorConfig {
  return {
    campaign: id,
    f: manifest.f,
    count: manifest.count,
    deadline: manifest.deadline,
    minReputation: manifest.minReputation,
    wallTime: manifest.resources.wallTime,
    engines: enginesOf(manifest),
    policy,
  }
}

function limit(what: string, received: number, expected: number): void {
  if (received > expected) {
    throw new AskeeError('compute/spec', `${what}: expected at most ${expected} bytes, received ${received}`)
  }
}
