import { Command } from 'commander'
import {
  initCommand,
  issueCommand,
  listsCommand,
  recoverCommand,
  renewCommand,
  revokeCommand,
} from './issue.ts'
import { verifyCommand } from './verify.ts'

/** `askee authority`: certificates for the nodes of an organisation. */
export function authorityCommand(): Command {
  const authority = new Command('authority').description(
    'make a certificate authority or go on with it, issue and revoke certificates of nodes, verify them',
  )
  const commands = [
    initCommand(),
    issueCommand(),
    revokeCommand(),
    listsCommand(),
    renewCommand(),
    recoverCommand(),
  ]
  for (const command of [...commands, verifyCommand()]) {
    authority.addCommand(command)
  }
  return authority
}
