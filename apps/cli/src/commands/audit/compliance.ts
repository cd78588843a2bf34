import type { ComplianceView } from '@askee/client'
import { Command, Option } from 'commander'
import { EXIT } from '../../exit.ts'
import { printable, printData, printJson, printNote } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient, integer, repeated } from '../options.ts'

type RegionName = 'EU' | 'US' | 'other'

const regionOption = (): Option =>
  new Option('--region <region>', 'of acts that do not say one themselves')
    .choices(['EU', 'US', 'other'] satisfies RegionName[])
    .default('EU')

/** `askee audit compliance`. */
export function complianceCommand(): Command {
  return agentOptions(new Command('compliance'))
    .description('what in the log is against GDPR, HIPAA or SOC 2 rules; exit code 1 when something is')
    .option('--profile <name>', 'gdpr, hipaa or soc2; may be repeated (default: all)', repeated, [])
    .addOption(regionOption())
    .action(async (options: AgentOptions & { profile: string[]; region: RegionName }) => {
      const { profile: profiles, region } = options
      const checked = await controlClient(options).auditCompliance({ profiles, region })
      if (options.json === true) printJson(checked)
      else printData(complianceText(checked))
      if (checked.profiles.some(({ findings }) => findings.length > 0)) process.exitCode = EXIT.failure
    })
}

/** `askee audit purge`. */
export function purgeCommand(): Command {
  return agentOptions(new Command('purge'))
    .description('deletes the contents that a profile does not let stay; entries and proofs stay')
    .requiredOption('--profile <name>', 'gdpr, hipaa or soc2')
    .addOption(regionOption())
    .action(async (options: AgentOptions & { profile: string; region: RegionName }) => {
      const { profile, region } = options
      const purged = await controlClient(options).purgeAudit({ profile, region })
      if (options.json === true) {
        printJson(purged)
        return
      }
      const lines = purged.map(
        ({ rule, count, first, last, receipt }) =>
          `${rule}: ${count} contents of the entries ${first} to ${last} deleted, said in entry ${receipt.index}`,
      )
      printData(lines.length === 0 ? 'nothing is held for too long: nothing was deleted' : lines.join('\n'))
      const [proof] = purged
      if (proof !== undefined) {
        printNote(
          `The proof, for others: askee audit export FILE --removal ${proof.receipt.index} --reason TEXT`,
        )
      }
    })
}

function proofOf(index: number): string {
  return `The proof, for others: askee audit export FILE --removal ${index} --reason TEXT`
}

const NOTHING_ELSE =
  'Nothing else stands in the log about this subject. Was it the whole id? askee consent list --json and askee status show them.'

type SubjectOptions = AgentOptions & { reason: string }

function subjectCommand(name: string): Command {
  return agentOptions(new Command(name))
    .argument('<subject>', 'a consent or a node, by its whole id')
    .requiredOption('--reason <text>', 'why: it stands in the log')
}

/** `askee audit hold`. */
export function holdCommand(): Command {
  return subjectCommand('hold')
    .description('legal hold: nothing about the subject is purged or erased until its release')
    .action(async (subject: string, { reason, ...options }: SubjectOptions) => {
      const client = controlClient(options)
      const { hold, receipt } = await client.holdAudit({ subject, reason })
      if (options.json === true) {
        printJson({ hold, receipt })
        return
      }
      printData(
        `hold ${hold}: nothing about ${printable(subject)} is purged or erased until its release. Said in entry ${receipt.index}`,
      )
      printNote(
        `It adds to any other hold, and ends only by its number: askee audit release ${printable(subject)} --hold ${hold} --reason TEXT`,
      )
      // The hold itself is the only act.
      if ((await client.auditLog({ about: subject, limit: 2 })).entries.length < 2) printNote(NOTHING_ELSE)
    })
}

/** `askee audit release`. */
export function releaseCommand(): Command {
  return subjectCommand('release')
    .description('ends one legal hold; others on the same subject go on')
    .requiredOption(
      '--hold <number>',
      'the number that askee audit hold gave it',
      integer(1, Number.MAX_SAFE_INTEGER),
    )
    .action(async (subject: string, { reason, hold, ...options }: SubjectOptions & { hold: number }) => {
      const { receipt } = await controlClient(options).releaseAudit({ subject, hold, reason })
      if (options.json === true) printJson({ receipt })
      else {
        printData(
          `hold ${hold} released; without another one, rules and requests reach ${printable(subject)} again. Said in entry ${receipt.index}`,
        )
      }
    })
}

/** `askee audit erase`. */
export function eraseCommand(): Command {
  return subjectCommand('erase')
    .description('makes all that the log holds about the subject unreadable for ever, in every copy')
    .action(async (subject: string, { reason, ...options }: SubjectOptions) => {
      const erased = await controlClient(options).eraseAudit({ subject, reason })
      if (options.json === true) printJson(erased)
      else {
        printData(
          `${erased.contents === 1 ? '1 content' : `${erased.contents} contents`} erased, this request among them: nobody can read them again. Said in entry ${erased.receipt.index}`,
        )
        if (erased.contents < 2) printNote(NOTHING_ELSE)
        else printNote(proofOf(erased.receipt.index))
      }
    })
}

function complianceText({ profiles, holds }: ComplianceView): string {
  const rows = profiles.flatMap(({ id, findings }) =>
    findings.map(({ code, rule, count, first, last, text }) => [
      id,
      rule,
      code.replace('compliance/', ''),
      String(count),
      first === null ? '—' : `${first} to ${last}`,
      text,
    ]),
  )
  const titles = ['profile', 'rule', 'finding', 'entries', 'which', 'what']
  return [
    rows.length === 0
      ? `nothing is against ${profiles.map(({ title }) => title).join('; ')}`
      : formatTable(
          titles.map((title) => ({ title, align: title === 'entries' ? 'right' : 'left' })),
          rows,
        ),
    ...(holds === 0
      ? []
      : [holds === 1 ? '1 subject is under legal hold' : `${holds} subjects are under legal hold`]),
  ].join('\n')
}
