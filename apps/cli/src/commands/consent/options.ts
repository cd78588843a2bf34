import type { Command } from 'commander'

/** Options of every command that talks to an agent. */
export interface AgentOptions {
  data?: string
  control?: string
  json?: boolean
}

/** Adds them. */
export function agentOptions(command: Command): Command {
  return command
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one JSON value and nothing else on standard output')
}
