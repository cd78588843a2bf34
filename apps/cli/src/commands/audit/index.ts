import { Command } from 'commander'
import { acceptCommand } from './accept.ts'
import { complianceCommand, eraseCommand, holdCommand, purgeCommand, releaseCommand } from './compliance.ts'
import { exportCommand, verifyExportCommand } from './export.ts'
import { logCommand } from './log.ts'
import { removalsCommand } from './removals.ts'
import { proveCommand, verifyCommand } from './verify.ts'

/** `askee audit`: what was done on this node, and the proof of it. */
export function auditCommand(): Command {
  const audit = new Command('audit').description(
    'read, verify and prove the log of what was done on this node',
  )
  for (const command of [
    logCommand(),
    verifyCommand(),
    acceptCommand(),
    proveCommand(),
    exportCommand(),
    verifyExportCommand(),
    complianceCommand(),
    purgeCommand(),
    removalsCommand(),
    holdCommand(),
    releaseCommand(),
    eraseCommand(),
  ]) {
    audit.addCommand(command)
  }
  return audit
}
