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
      'computes the log anew, against its checkpoints and what connected witnesses keep; exit code 1 when something was changed or speaks against it, 4 when nobody else has seen it',
    )
    .action(async (options: AgentOptions) => {
      const verified = await controlClient(options).verifyAudit()
      if (options.json === true) printJson(verified)
      else printData(verificationText(verified))
      if (verified.verdict === 'changed') process.exitCode = EXIT.failure
      if (verified.verdict === 'unwitnessed') process.exitCode = EXIT.unwitnessed
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
  const { entries, checkpoints, contents, findings, witnesses, alarms, contradicted, cosigned } = verified
  const { readable, erased, purged, lost } = contents
  return [
    `entries      ${entries}: ${readable} readable, ${erased} erased, ${purged} purged${lost === 0 ? '' : `, ${lost} LOST`}`,
    `checkpoints  ${checkpoints}${cosigned === null ? '' : `, the first ${cosigned.size} entries cosigned by ${cosigned.by.length}`}`,
    `witnesses    ${witnesses.length === 0 ? 'no connected node had kept a checkpoint of this log before now' : `compared with what ${witnesses.length === 1 ? 'a connected node keeps' : `${witnesses.length} connected nodes keep`}`}`,
    ...alarms.map(
      ({ code, text, witness }) => `ALARM        ${code}, ${witness ?? 'here'}: ${printable(text)}`,
    ),
    ...contradicted.map(({ node, text }) => `peer         ${node}: ${printable(text)}`),
    ...(findings.length === 0 ? [] : [findingsTable(findings)]),
    ...(verified.found > findings.length ? [`and ${verified.found - findings.length} findings more`] : []),
    VERDICTS[verified.verdict],
  ].join('\n')
}

const VERDICTS = {
  whole: 'nothing was changed',
  unwitnessed:
    'NOT CONFIRMED: no witness has seen this log, so it proves nothing against this machine. Connect to other nodes and verify again',
  changed:
    'THIS LOG IS NOT AS IT WAS WRITTEN, or others know more of it. Change nothing on this machine, copy its data directory as evidence (askee audit export FILE --reason TEXT makes what can still be proven), and find out who had access; docs/cli.md says what each finding means',
} as const

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
