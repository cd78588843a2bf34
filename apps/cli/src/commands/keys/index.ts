import { Command } from 'commander'
import { backupCommand, restoreCommand } from './backup.ts'
import { emergencyCommand, rotateCommand } from './change.ts'
import { listCommand } from './list.ts'
import { paranoidCommand } from './paranoid.ts'
import { requestCommand } from './request.ts'
import { rootCommand } from './root/index.ts'

/** `askee keys`: the keys of a node. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('see, change, void, back up and restore the keys of a node')
  for (const command of [
    listCommand(),
    rotateCommand(),
    emergencyCommand(),
    paranoidCommand(),
    backupCommand(),
    restoreCommand(),
    requestCommand(),
    rootCommand(),
  ]) {
    keys.addCommand(command)
  }
  return keys
}
