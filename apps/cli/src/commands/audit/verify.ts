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

/** What `askee audit verify` says to people. */
export function verificationText(verified: AuditVerificationView): string {
  const { entries, checkpoints, contents, findings, alarms, contradicted, cosigned } = verified
  const { readable, erased, purged, lost } = contents
  return [
    `entries      ${entries}: ${readable} readable, ${erased} erased, ${purged} purged${lost === 0 ? '' : `, ${lost} LOST`}`,
    `checkpoints  ${checkpoints}${cosigned === null ? '' : `, the first ${cosigned.size} entries cosigned by ${cosigned.by.length}, last on ${new Date(cosigned.at).toISOString()}`}`,
    `witnesses    ${witnessesText(verified)}`,
    ...alarms.map(
      ({ code, text, witness }) => `ALARM        ${code}, ${witness ?? 'here'}: ${printable(text)}`,
    ),
    ...contradicted.map(({ node, text }) => `peer         ${node}: ${printable(text)}`),
    ...(findings.length === 0 ? [] : [findingsTable(findings)]),
    ...(verified.found > findings.length ? [`and ${verified.found - findings.length} findings more`] : []),
    verdictText(verified),
  ].join('\n')
}

/** Whom others were asked, and what that says. */
function witnessesText({ asked, answered, witnesses }: AuditVerificationView): string {
  if (asked === 0) return 'NONE REACHED: this node is connected to no other, so nobody could be asked'
  if (answered === 0) return `NONE REACHED: ${nodes(asked)} connected, none answered`
  if (witnesses.length === 0)
    return `${nodes(answered)} answered, none had kept a checkpoint of this log before now`
  return `compared with what ${nodes(witnesses.length)} of ${answered} that answered had kept of this log`
}

function nodes(count: number): string {
  return count === 1 ? '1 node' : `${count} nodes`
}

/** What was verified, what could not be, and what to do about it. */
function verdictText({ verdict, answered, witnesses, entries, cosigned }: AuditVerificationView): string {
  if (verdict === 'changed') return CHANGED
  const here = 'Verified on this machine alone: every entry, hash, checkpoint and content fits the others.'
  const todo =
    'Connect to other nodes (askee status shows how many there are), let the agent run for a minute, and verify again.'
  if (verdict === 'unwitnessed') {
    const reached = answered === 0 ? 'no witness could be reached, and ' : ''
    return [
      here,
      `NOT CONFIRMED: ${reached}no other node has ever cosigned this log, so whoever owns this machine could have written all of it anew.`,
      todo,
    ].join('\n')
  }
  const after = entries - (cosigned?.size ?? 0)
  const unseen =
    after === 0
      ? []
      : [`The last ${after === 1 ? 'entry has' : `${after} entries have`} been seen by nobody else yet.`]
  if (witnesses.length > 0) return ['nothing was changed', ...unseen].join('\n')
  return [
    here,
    `The first ${cosigned?.size ?? 0} entries are those that others cosigned before.`,
    `NOT VERIFIED NOW: whether others know a newer state of this log than this one, as after a restore of an old copy; ${answered === 0 ? 'no witness could be reached' : 'none that answered keeps anything of it'}.`,
    ...unseen,
    todo,
  ].join('\n')
}

const CHANGED =
  'THIS LOG IS NOT AS IT WAS WRITTEN, or others know more of it. Change nothing on this machine, copy its data directory as evidence (askee audit export FILE --reason TEXT makes what can still be proven), and find out who had access; docs/cli.md says what each finding means'

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
