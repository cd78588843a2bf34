import { Command } from 'commander'
import { refuseCommand, resumeCommand, revokeCommand, suspendCommand } from './end.ts'
import { grantCommand, offerCommand, renewCommand } from './grant.ts'
import { historyCommand, listCommand, showCommand, verifyCommand } from './show.ts'

/** `askee consent`: what this machine's owner allows. */
export function consentCommand(): Command {
  const consent = new Command('consent').description('grant, see, renew and end consents')
  for (const command of [
    listCommand(),
    showCommand(),
    grantCommand(),
    refuseCommand(),
    renewCommand(),
    revokeCommand(),
    suspendCommand(),
    resumeCommand(),
    historyCommand(),
    verifyCommand(),
    offerCommand(),
  ]) {
    consent.addCommand(command)
  }
  return consent
}
