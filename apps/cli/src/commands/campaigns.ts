import type { CampaignSummaryView } from '@askee/client'
import { Command } from 'commander'
import { count } from '../terminal/count.ts'
import { printable, printData, printJson } from '../terminal/output.ts'
import { formatTable } from '../terminal/table.ts'
import { type AgentOptions, agentOptions } from './consent/options.ts'
import { controlClient } from './options.ts'
import { withHexOutputs } from './results.ts'

/** Characters of an id in a table: enough to name one campaign of millions. */
const SHORT_ID = 12

/** `askee campaigns`: what was asked before, also by a command that is long gone, and the end of it. */
export function campaignsCommand(): Command {
  return new Command('campaigns')
    .description('what this node asked of others: list (when nothing else is said) and cancel')
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(cancelCommand())
}

function listCommand(): Command {
  return agentOptions(new Command('list'))
    .description('the campaigns of this agent, the newest first')
    .action(async (options: AgentOptions) => {
      const campaigns = await controlClient(options).campaigns()
      if (options.json === true) printJson(campaigns)
      else printData(campaigns.length === 0 ? 'no campaigns yet' : campaignTable(campaigns))
    })
}

function cancelCommand(): Command {
  return agentOptions(new Command('cancel'))
    .description('end a campaign now: volunteers stop and forget it, what was accepted stays')
    .argument('<campaign>', 'its id, or the beginning of it')
    .option('--reason <text>', 'kept with the campaign on this machine, told to nobody', 'no longer wanted')
    .action(async (id: string, options: AgentOptions & { reason: string }) => {
      const view = await controlClient(options).cancelCampaign(id, options.reason)
      if (options.json === true) {
        printJson(withHexOutputs(view))
        return
      }
      const accepted = view.tasks.filter(({ state }) => state === 'accepted').length
      const kept = accepted === 0 ? '' : `; ${accepted} accepted: askee results ${view.id.slice(0, SHORT_ID)}`
      printData(
        `cancelled (campaign ${view.id}), ${view.tasks.length - accepted} of ${count(view.tasks.length, 'task')} without a result${kept}`,
      )
    })
}

/** Campaigns in a table. */
export function campaignTable(campaigns: readonly CampaignSummaryView[]): string {
  const columns = ['campaign', 'state', 'accepted', 'undecided', 'purpose'].map((title) => ({
    title,
    align: 'left' as const,
  }))
  const rows = campaigns.map((c) => [
    c.id.slice(0, SHORT_ID),
    // Over, and nothing came of it: that is no finish.
    c.state === 'finished' && c.accepted === 0 ? 'undecided' : c.state,
    `${c.accepted} of ${c.tasks}`,
    String(c.undecided),
    printable(c.cancelled === null ? c.purpose : `${c.purpose} (cancelled: ${c.cancelled})`),
  ])
  return formatTable(columns, rows)
}
