import type { RevokedView } from '@askee/client'
import { Command } from 'commander'
import { usageError } from '../../exit.ts'
import { count } from '../../terminal/count.ts'
import { printData, printJson, printNote } from '../../terminal/output.ts'
import { controlClient } from '../options.ts'
import { type AgentOptions, agentOptions } from './options.ts'

interface ReasonOptions extends AgentOptions {
  reason: string
}

/** `askee consent revoke`: at once, for ever, everywhere. */
export function revokeCommand(): Command {
  return agentOptions(new Command('revoke'))
    .description('end a consent now: its work is killed, its data erased, everybody told')
    .argument('[consent]', 'its id, or the beginning of it')
    .option('--all', 'all that you ever granted on this machine')
    .option('--reason <text>', 'kept in the history on this machine, told to nobody', 'no longer wanted')
    .action(async (id: string | undefined, options: ReasonOptions & { all?: boolean }) => {
      if ((id === undefined) === (options.all !== true)) throw usageError('give a consent, or --all')
      const client = controlClient(options)
      const revoked = await tellingOfDelay(
        id === undefined ? client.revokeAll(options.reason) : client.revoke(id, options.reason),
      )
      if (options.json === true) printJson(revoked)
      else printData(revokedText(revoked))
    })
}

/** `askee consent suspend`: nothing runs under it until it is resumed. */
export function suspendCommand(): Command {
  return agentOptions(new Command('suspend'))
    .description('let nothing be done under a consent until it is resumed; what runs is stopped')
    .argument('<consent>', 'its id, or the beginning of it')
    .option('--reason <text>', 'kept in the history on this machine', 'suspended by its owner')
    .action(async (id: string, options: ReasonOptions) => {
      const consent = await tellingOfDelay(controlClient(options).suspend(id, options.reason))
      if (options.json === true) printJson(consent)
      else {
        printData(`suspended (consent ${consent.id})`)
        printNote(
          'What ran under it was stopped and is begun anew after askee consent resume. Campaigns that have nobody else wait for that, until their own deadlines or the end of this consent; what others finished by then is not done here.',
        )
      }
    })
}

/** `askee consent refuse`: no to what a requester asked, for good: the same manifest cannot be granted any more. */
export function refuseCommand(): Command {
  return agentOptions(new Command('refuse'))
    .description(
      'say no to an invitation (consent list --all shows them) for good: the same manifest is not taken any more, only one that the requester signs anew',
    )
    .argument('<consent>', 'its id, or the beginning of it')
    .option('--reason <text>', 'kept in the history on this machine, told to nobody', 'declined')
    .action(async (id: string, options: ReasonOptions) => {
      const consent = await controlClient(options).refuseConsent(id, options.reason)
      if (options.json === true) printJson(consent)
      else printData(`refused (consent ${consent.id})`)
    })
}

/** `askee consent resume`. */
export function resumeCommand(): Command {
  return agentOptions(new Command('resume'))
    .description('let work be done again under a suspended consent')
    .argument('<consent>', 'its id, or the beginning of it')
    .action(async (id: string, options: AgentOptions) => {
      const consent = await controlClient(options).resume(id)
      if (options.json === true) printJson(consent)
      else printData(`resumed until ${new Date(consent.expires).toISOString()} (consent ${consent.id})`)
    })
}

/** Long enough to be silent on a machine that is not busy. */
const TELL_AFTER_MS = 3_000

/** Work at idle priority dies late beside a high load: nobody should look at a silent terminal and guess. */
async function tellingOfDelay<T>(ending: Promise<T>): Promise<T> {
  const timer = setTimeout(
    () => printNote('nothing new is begun under it; waiting until the last process is gone'),
    TELL_AFTER_MS,
  )
  try {
    return await ending
  } finally {
    clearTimeout(timer)
  }
}

export function revokedText({
  consents,
  stoppedTasks,
  killMs,
  eraseMs,
  erasedBlocks,
  sharedBlocks,
}: RevokedView): string {
  const lines = consents.map(({ id }) => `revoked (consent ${id})`)
  lines.push(
    killMs === null
      ? `nothing was running; ${count(stoppedTasks, 'task was', 'tasks were')} waiting`
      : `${count(stoppedTasks, 'task')} stopped, the last one dead after ${killMs.toFixed(1)} ms`,
    `${count(erasedBlocks, 'block')} of data erased${sharedBlocks === 0 ? '' : `, ${count(sharedBlocks, 'stays', 'stay')} that other consents need`}; all done after ${eraseMs.toFixed(1)} ms`,
  )
  return lines.join('\n')
}
