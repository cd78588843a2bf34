import type { ParanoidView, StatusView } from '@askee/client'
import { Command } from 'commander'
import { count } from '../terminal/count.ts'
import { withAgentNamed } from '../terminal/hints.ts'
import { printable, printData, printJson } from '../terminal/output.ts'
import { controlClient } from './options.ts'

/** Lines of one kind, at most. */
const SHOWN = 8

/** `askee status`: what the agent is, whom it knows and what it does. */
export function statusCommand(): Command {
  return new Command('status')
    .description('what the agent is doing, for whom, and what it has earned')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--id', "only the node's id, for others to name as --requester")
    .option('--json', 'print one object')
    .action(async (options: { data?: string; control?: string; id?: boolean; json?: boolean }) => {
      const client = controlClient(options)
      const status = await client.status()
      const { mode } = await client.mode()
      if (options.json === true) {
        printJson({ ...status, mode })
        return
      }
      if (options.id === true) printData(status.node)
      else for (const line of statusLines(status, mode)) printData(withAgentNamed(line, process.argv))
    })
}

/** Running now and allowed, before how it is done. */
function statusLines(status: StatusView, mode: ParanoidView['mode']): string[] {
  const { worker, executor, storage, deviceKey } = status
  const megabytes = (storage.maxBytes / 1e6).toFixed(0)
  return [
    `node      ${status.node}`,
    `owner     ${status.owner}`,
    ...(mode === 'normal'
      ? []
      : ['MODE      paranoid: nothing is computed or asked for until askee keys paranoid leave']),
    `keys      ${deviceKey.provider}, ${deviceKey.protects}`,
    `peers     ${status.peers.length}`,
    `executor  ${executor.name}: ${executor.engine} ${executor.engineVersion}, containment "${executor.tier}"`,
    ...(executor.reason === undefined ? [] : [`          ${executor.reason}`]),
    ...consentLines(status.consents),
    `tasks     ${worker.completed} completed, ${worker.failed} failed, ${worker.refused} refused since the agent started`,
    ...leaseLines(worker.leases),
    ...campaignLines(status.campaigns, mode),
    `storage   ${(storage.bytes / 1e6).toFixed(1)} of ${megabytes} MB`,
    ...auditLines(status.audit),
    ...Object.entries(worker.credit).map(([requester, fuel]) => `credit    ${fuel} fuel from ${requester}`),
  ]
}

/** Whom this machine works for, what for, and until when. */
function consentLines({ live, suspended, open, over }: StatusView['consents']): string[] {
  const counts = [
    `${live.length} live`,
    ...(suspended === 0 ? [] : [`${suspended} suspended`]),
    ...(open === 0 ? [] : [`${count(open, 'invitation')} to answer`]),
    `${over} over`,
  ]
  const nobody = live.length === 0 ? ': nothing is computed for anybody' : ''
  return [
    `consents  ${counts.join(', ')}${nobody}`,
    ...live
      .slice(0, SHOWN)
      .map(
        ({ id, requester, purpose, expires, running }) =>
          `          ${id.slice(0, 8)}  ${running === 0 ? 'nothing runs' : `${count(running, 'task')} running`} for ${short(requester)}, "${printable(purpose)}", until ${date(expires)}`,
      ),
    ...more(live.length, 'askee consent list'),
  ]
}

function leaseLines(leases: StatusView['worker']['leases']): string[] {
  return [
    ...leases
      .slice(0, SHOWN)
      .map(
        ({ state, task, requester }) => `          ${state.padEnd(9)} ${short(task)} for ${short(requester)}`,
      ),
    ...more(leases.length, 'askee status --json'),
  ]
}

/** What this node asked of others and still waits for. */
function campaignLines({ running, over }: StatusView['campaigns'], mode: ParanoidView['mode']): string[] {
  if (running.length + over === 0) return []
  return [
    `campaigns ${running.length} ${mode === 'normal' ? 'running' : 'frozen'}, ${over} over`,
    ...running
      .slice(0, SHOWN)
      .map(
        ({ id, accepted, tasks, volunteers, purpose }) =>
          `          ${id.slice(0, 12)}  ${accepted} of ${count(tasks, 'task')} accepted, ${count(volunteers.ready, 'volunteer')}, "${printable(purpose)}"`,
      ),
    ...more(running.length, 'askee campaigns'),
  ]
}

function more(all: number, where: string): string[] {
  return all > SHOWN ? [`          and ${all - SHOWN} more: ${where}`] : []
}

/** Who has seen the log, and what speaks against it. */
function auditLines({ state, entries, cosigned, alarms, contradicted }: StatusView['audit']): string[] {
  const seen =
    cosigned === null
      ? 'no witness has seen it'
      : `the first ${cosigned.size} cosigned by ${cosigned.by.length}`
  return [
    `audit     ${count(entries, 'entry', 'entries')}, ${seen}`,
    ...alarms.map(({ code, text }) => `ALARM     ${code}: ${printable(text)}`),
    ...(state === 'held'
      ? [
          '          nothing new is granted or taken on. Put the newest copy back, or: askee audit accept --reason WHY',
        ]
      : []),
    ...contradicted.map(({ node, text }) => `peer      ${node}: ${printable(text)}`),
  ]
}

function short(id: string): string {
  return id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id
}

/** To the minute. */
function date(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
