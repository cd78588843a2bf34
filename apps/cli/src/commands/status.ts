import type { StatusView } from '@askee/client'
import { Command } from 'commander'
import { printable, printData, printJson } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { controlClient } from './options.ts'

/** `askee status`: what the agent is, whom it knows and what it does. */
export function statusCommand(): Command {
  return new Command('status')
    .description('what the agent is doing, for whom, and what it has earned')
    .option('--data <directory>', 'data directory of the agent')
    .option('--control <socket>', 'control socket of the agent')
    .option('--json', 'print one object')
    .action(async (options: { data?: string; control?: string; json?: boolean }) => {
      const status = await controlClient(options).status()
      if (options.json === true) {
        printJson(status)
        return
      }
      const { worker, executor } = status
      printData(`node      ${status.node}`)
      printData(`owner     ${status.owner}`)
      printData(`keys      ${status.deviceKey.provider}, ${status.deviceKey.protects}`)
      printData(`peers     ${status.peers.length}`)
      printData(
        `executor  ${executor.name}: ${executor.engine} ${executor.engineVersion}, containment "${executor.tier}"`,
      )
      if (executor.reason !== undefined) printData(`          ${executor.reason}`)
      printData(`tasks     ${worker.completed} completed, ${worker.failed} failed, ${worker.refused} refused`)
      printData(
        `storage   ${(status.storage.bytes / 1e6).toFixed(1)} of ${(status.storage.maxBytes / 1e6).toFixed(0)} MB`,
      )
      for (const line of auditLines(status.audit)) printData(line)
      if (worker.leases.length > 0) {
        printData('')
        printData(
          formatTable(
            [
              { title: 'state', align: 'left' },
              { title: 'task', align: 'left' },
              { title: 'for', align: 'left' },
            ],
            worker.leases.map((lease) => [lease.state, short(lease.task), short(lease.requester)]),
          ),
        )
      }
      for (const [requester, fuel] of Object.entries(worker.credit)) {
        printData(`credit    ${fuel} fuel from ${requester}`)
      }
    })
}

/** Who has seen the log, and what speaks against it. */
function auditLines({ state, entries, cosigned, alarms, contradicted }: StatusView['audit']): string[] {
  const seen =
    cosigned === null
      ? 'no witness has seen it'
      : `the first ${cosigned.size} cosigned by ${cosigned.by.length}`
  return [
    `audit     ${entries} entries, ${seen}`,
    ...alarms.map(({ code, text }) => `ALARM     ${code}: ${printable(text)}`),
    ...(state === 'held'
      ? ['          nothing new is granted or taken on. Put the newest copy back, or: askee audit accept']
      : []),
    ...contradicted.map(({ node, text }) => `peer      ${node}: ${printable(text)}`),
  ]
}

function short(id: string): string {
  return id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id
}
