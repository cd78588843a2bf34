import { type AuditEntryView, type AuditPage, MAX_AUDIT_PAGE } from '@askee/client'
import { Command } from 'commander'
import { printable, printData, printJson, printNote } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient, integer } from '../options.ts'

/** `askee audit log`. */
export function logCommand(): Command {
  return agentOptions(new Command('log'))
    .description('the newest entries, oldest first')
    .option('--about <subject>', 'only what is held about a consent or a node, by its whole id')
    .option(
      '--limit <n>',
      `at most so many (default 100, at most ${MAX_AUDIT_PAGE})`,
      integer(1, MAX_AUDIT_PAGE),
    )
    .option('--before <index>', 'only entries before this one', integer(0, Number.MAX_SAFE_INTEGER))
    .action(async (options: AgentOptions & AuditPage) => {
      const { about, limit, before } = options
      const page = await controlClient(options).auditLog({
        ...(about === undefined ? {} : { about }),
        ...(limit === undefined ? {} : { limit }),
        ...(before === undefined ? {} : { before }),
      })
      if (options.json === true) {
        printJson(page)
        return
      }
      printData(entriesTable(page.entries))
      if (page.before !== null) printNote(`There are older ones: --before ${page.before}`)
    })
}

function entriesTable(entries: readonly AuditEntryView[]): string {
  return formatTable(
    [
      { title: 'entry', align: 'right' },
      { title: 'when', align: 'left' },
      { title: 'action', align: 'left' },
      { title: 'outcome', align: 'left' },
      { title: 'subject', align: 'left' },
      { title: 'content', align: 'left' },
    ],
    entries.map(({ index, at, action, outcome, state, subject, content }) => [
      String(index),
      new Date(at).toISOString(),
      action,
      outcome,
      printable(subject ?? '—'),
      content === null
        ? // Whether a rule took it, `removals` and `verify` say.
          state === 'purged'
          ? 'gone'
          : state
        : shortened(
            printable(
              Object.entries(content)
                .map(([key, value]) => `${key} ${value}`)
                .join(', '),
            ),
          ),
    ]),
  )
}

/** Characters of a content in the table: `--json` has it whole. */
const MAX_CONTENT = 120

function shortened(text: string): string {
  return text.length <= MAX_CONTENT ? text : `${text.slice(0, MAX_CONTENT - 1)}…`
}
