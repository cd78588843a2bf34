import { Command } from 'commander'
import { initCommand, issueCommand, listsCommand, revokeCommand } from './issue.ts'
import { verifyCommand } from './verify.ts'

/** `askee authority`: certificates for the nodes of an organisation. */
export function authorityCommand(): Command {
  const authority = new Command('authority').description(
    'make a certificate authority, issue and revoke certificates of nodes, verify them',
  )
  for (const command of [initCommand(), issueCommand(), revokeCommand(), listsCommand(), verifyCommand()]) {
    authority.addCommand(command)
  }
  return authority
}
