import { Command } from 'commander'
import { acceptRestoredCommand } from './accept-restored.ts'

/** `askee data`: the databases of a data directory, while no agent runs on it. */
export function dataCommand(): Command {
  return new Command('data')
    .description('what stands in a data directory, while no agent runs on it')
    .addCommand(acceptRestoredCommand())
}
