import type { AuditVerificationView } from '@askee/client'
import { Command } from 'commander'
import { EXIT, usageError } from '../../exit.ts'
import { printable, printData, printJson } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'

/** `askee audit verify`. */
export function verifyCommand(): Command {
  return agentOptions(new Command('verify'))
    .description(
      'computes the log anew, against its checkpoints and what connected witnesses keep; exit code 1 when something was changed',
    )
    .action(async (options: AgentOptions) => {
      const verified = await controlClient(options).verifyAudit()
      if (options.json === true) printJson(verified)
      else printData(verificationText(verified))
      if (verified.findings.length > 0 || verified.alarms.length > 0) process.exitCode = EXIT.failure
    })
}

/** `askee audit prove`. */
export function proveCommand(): Command {
  return agentOptions(new Command('prove'))
    .description('one entry with its proof and the signed checkpoint it leads to, as JSON')
    .argument('<index>', 'the number of the entry')
    .action(async (index: string, options: AgentOptions) => {
      if (!/^\d{1,15}$/.test(index)) throw usageError(`expected the number of an entry, received "${index}"`)
      printJson(await controlClient(options).proveAudit(Number(index)))
    })
}

function verificationText(verified: AuditVerificationView): string {
  const { entries, checkpoints, contents, findings, latest, witnesses, alarms } = verified
  const cosigned = latest?.cosignedBy.length ?? 0
  return [
    `entries      ${entries}: ${contents.readable} readable, ${contents.erased} erased, ${contents.purged} purged`,
    `checkpoints  ${checkpoints}${latest === null ? '' : `, the newest of ${latest.size} entries, cosigned by ${cosigned}`}`,
    `witnesses    ${witnesses.length === 0 ? 'no connected node keeps a checkpoint: its own checkpoints alone prove nothing against this machine' : `compared with what ${witnesses.length} connected nodes keep`}`,
    ...alarms.map(({ witness, text }) => `ALARM        ${witness}: ${printable(text)}`),
    findings.length === 0 ? 'nothing was changed' : findingsTable(findings),
  ].join('\n')
}

function findingsTable(findings: AuditVerificationView['findings']): string {
  return formatTable(
    [
      { title: 'finding', align: 'left' },
      { title: 'from', align: 'right' },
      { title: 'to', align: 'right' },
      { title: 'what', align: 'left' },
    ],
    findings.map(({ code, from, to, text }) => [code, String(from), String(to), printable(text)]),
  )
}
