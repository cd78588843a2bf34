/**
 * A faulty agent, for simulations alone: a program of its own, so that the product's agent has no switch that makes it
 * cheat. Called by the fleet, by way of `bin/faulty-agent.js`, with `--data DIR --bootstrap ADDR --faults LIST --seed N`.
 */
import { DEFAULT_INIT, startAgent } from '@askee/agent'
import type { NodeId } from '@askee/core'
import type { ExecutorPolicy } from '@askee/sandbox'
import { Command } from 'commander'
import { untilTold } from '../../commands/agent.ts'
import { executorOption, integer, listOf, repeated } from '../../commands/options.ts'
import { printJson } from '../../terminal/output.ts'
import { FAULT_KINDS, type FaultKind } from '../options.ts'
import type { Mischief } from './draw.ts'
import { faultyExecutor } from './executor.ts'
import { faultyMesh, type StolenAnswers } from './mesh.ts'

const options = new Command()
  .requiredOption('--data <directory>')
  .option('--bootstrap <multiaddr>', '', repeated, [])
  .requiredOption('--faults <list>', '', listOf(FAULT_KINDS))
  .requiredOption('--seed <number>', '', integer(0, 4_294_967_295))
  .addOption(executorOption())
  .parse()
  .opts<{ data: string; bootstrap: string[]; faults: FaultKind[]; seed: number; executor: ExecutorPolicy }>()

const mischief: Mischief = { kinds: options.faults, seed: options.seed }
let self = '' as NodeId
let stolen: StolenAnswers = { steal: async () => undefined }

const agent = await startAgent(
  {
    ...DEFAULT_INIT,
    dataDirectory: options.data,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: options.bootstrap,
    network: 'local',
    localDiscovery: 'off',
    executor: options.executor,
    logLevel: 'silent',
  },
  {
    workerMesh(mesh) {
      self = mesh.self
      const faulty = faultyMesh(mesh, mischief)
      stolen = faulty.stolen
      return faulty.mesh
    },
    executor: (executor) =>
      faultyExecutor(executor, mischief, () => self, { steal: (input) => stolen.steal(input) }),
  },
)
printJson({ node: agent.node, addresses: agent.mesh.addresses(), socket: agent.socket })
await untilTold(agent.stopRequested, process.stdin)
await agent.stop()
process.exit()
