import { Command } from 'commander'
import { certifyCommand, createCommand } from './create.ts'
import { publishCommand, voidCommand } from './void.ts'

/** `askee keys root`: the owner's root, kept in shares. */
export function rootCommand(): Command {
  const root = new Command('root').description(
    'the root of all your nodes, in shares: put nodes under it, and declare one void that is lost',
  )
  for (const command of [createCommand(), certifyCommand(), voidCommand(), publishCommand()]) {
    root.addCommand(command)
  }
  return root
}
