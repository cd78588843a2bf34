import type { RemovalsView } from '@askee/client'
import { Command } from 'commander'
import { printable, printData, printJson } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'

/** Characters of positions in the table; `--json` has them all. */
const MAX_SHOWN = 60

/** `askee audit removals`. */
export function removalsCommand(): Command {
  return agentOptions(new Command('removals'))
    .description(
      'which contents were purged or erased, why, and the entry that proves it: askee audit export FILE --removal ENTRY',
    )
    .action(async (options: AgentOptions) => {
      const removals = await controlClient(options).auditRemovals()
      if (options.json === true) printJson(removals)
      else printData(removalsText(removals))
    })
}

function removalsText(removals: RemovalsView): string {
  if (removals.length === 0) return 'no content was ever purged or erased'
  const rows = removals.map(({ index, at, kind, because, count, positions, left }) => [
    String(index),
    new Date(at).toISOString(),
    kind,
    printable(because),
    String(count),
    positions.length <= MAX_SHOWN ? positions : `${positions.slice(0, MAX_SHOWN)}…`,
    left === 0 ? 'gone' : `${left} STILL READABLE: it was interrupted, run it again`,
  ])
  return formatTable(
    ['entry', 'when', 'what', 'because', 'contents', 'of the entries', 'now'].map((title) => ({
      title,
      align: title === 'entry' || title === 'contents' ? 'right' : 'left',
    })),
    rows,
  )
}
