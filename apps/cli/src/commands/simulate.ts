import type { EnginePolicy } from '@askee/compute'
import { AskeeError } from '@askee/core'
import type { ExecutorPolicy } from '@askee/sandbox'
import { Command, Option } from 'commander'
import { EXIT } from '../exit.ts'
import { FAULT_KINDS, type FaultKind, simulationOptions } from '../simulate/options.ts'
import { printData, printJson } from '../terminal/output.ts'
import { enginesOption, executorOption, integer, listOf } from './options.ts'

interface SimulateOptions {
  nodes: number
  faulty: number
  f?: number
  faults?: FaultKind[]
  workload?: string[]
  module?: string[]
  input?: string[]
  seed: number
  executor: ExecutorPolicy
  engines: EnginePolicy
  scenario?: 'revoke'
  rounds: number
  json?: boolean
}

/** `askee simulate`: a whole mesh on this machine, with real agents, and a verdict. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('start real agents on this machine, let some of them cheat, and check every accepted result')
    .option('--nodes <count>', 'workers; the requester is one agent more', integer(1, 64), 7)
    .option('--faulty <count>', 'how many of them misbehave', integer(0, 64), 0)
    .option(
      '--f <count>',
      'wrong answers tolerated per task (default: the number of faulty nodes, at least 1)',
      integer(0, 10),
    )
    .option(
      '--faults <list>',
      `how they misbehave: ${FAULT_KINDS.join(', ')} (default: all)`,
      listOf(FAULT_KINDS),
    )
    .option('--workload <name...>', 'only these workloads')
    .option('--module <file...>', 'modules of your own instead of the workloads')
    .option('--input <file...>', 'with --module: one task an input, for each module')
    .option('--seed <number>', 'draws the faults', integer(0, 4_294_967_295), 1)
    .addOption(
      new Option('--scenario <name>', 'instead of workloads: consents are revoked in mid task').choices([
        'revoke',
      ]),
    )
    .option('--rounds <count>', 'with --scenario: how often; each takes seconds', integer(1, 10_000), 50)
    .addOption(enginesOption())
    .addOption(executorOption())
    .option('--json', 'print one object and nothing else on standard output')
    .action(run)
}

async function run(given: SimulateOptions): Promise<void> {
  const interrupted = new AbortController()
  const onSignal = (): void =>
    interrupted.abort(new AskeeError('simulate/interrupted', 'interrupted; there is no verdict'))
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  if (given.scenario === 'revoke') return runRevocations(given, interrupted.signal)
  const { WORKLOADS } = await import('@askee/workloads')
  const options = simulationOptions(given, [...WORKLOADS.keys()])
  const [{ simulate }, { formatReport }, { isSound }] = await Promise.all([
    import('../simulate/simulate.ts'),
    import('../simulate/report.ts'),
    import('../simulate/verdict.ts'),
  ])
  const report = await simulate(options, interrupted.signal)
  if (given.json === true) printJson(report)
  else printData(formatReport(report))
  process.exitCode = isSound(report) ? EXIT.ok : EXIT.failure
}

async function runRevocations(given: SimulateOptions, signal: AbortSignal): Promise<void> {
  const [{ simulateRevocations }, { formatRevocations }] = await Promise.all([
    import('../simulate/revoke/scenario.ts'),
    import('../simulate/revoke/report.ts'),
  ])
  const { nodes, rounds, seed, executor } = given
  const report = await simulateRevocations({ nodes, rounds, seed, executor }, signal)
  if (given.json === true) printJson(report)
  else printData(formatRevocations(report))
  process.exitCode = report.passed ? EXIT.ok : EXIT.failure
}
