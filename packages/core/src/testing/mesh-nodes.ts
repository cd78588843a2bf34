import { systemTimers } from '../adapters/system.ts'
import { type AskeeError, errorCode } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import type { Mesh, TopicName, TopicRules } from '../ports/mesh.ts'

/** The test functions of vitest, handed in so that programs may import these fakes without it. */
export type TestFunctions = Pick<
  typeof import('vitest'),
  'describe' | 'it' | 'expect' | 'beforeAll' | 'afterAll'
>

/** How the suite gets at nodes of the implementation under test. */
export interface MeshTestNetwork {
  /** New nodes, started, all connected with each other and known to each other's record store. */
  start(count: number, topics: ReadonlyMap<TopicName, TopicRules>): Promise<Mesh[]>
  /** A valid id that no node has. */
  strangerId(): NodeId
  /** Stops every node that was started. */
  stop(): Promise<void>
}

/** The code that the promise rejects with, and its details; `resolved` when it does not reject. */
export async function refusal(
  promise: Promise<unknown>,
): Promise<{ code: string | undefined; details: unknown }> {
  try {
    await promise
  } catch (error) {
    return { code: errorCode(error) ?? String(error), details: (error as AskeeError).details }
  }
  return { code: 'resolved', details: {} }
}

/** Repeats until `check` holds; the last failure is thrown after 8 s. */
export async function eventually(check: () => unknown): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      if ((await check()) === false) throw new Error('the condition does not hold')
      return
    } catch (error) {
      if (tries >= 160) throw error
      await systemTimers.sleep(50)
    }
  }
}

/** Nodes for one group of tests, started before it and stopped after it. */
export function nodesFor(
  { beforeAll, afterAll }: TestFunctions,
  makeNetwork: () => MeshTestNetwork,
  count: number,
  topics: ReadonlyMap<TopicName, TopicRules> = new Map(),
): { nodes: Mesh[]; network: MeshTestNetwork } {
  const network = makeNetwork()
  const nodes: Mesh[] = []
  beforeAll(async () => {
    nodes.push(...(await network.start(count, topics)))
  })
  afterAll(() => network.stop())
  return { nodes, network }
}
