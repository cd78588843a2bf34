import type { KeysView, PeerKeysView } from '@askee/client'
import { Command } from 'commander'
import { printable, printData, printJson, printNote } from '../../terminal/output.ts'
import { formatTable } from '../../terminal/table.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { controlClient } from '../options.ts'

/** `askee keys list`: this node's keys, or what it knows of another's. */
export function listCommand(): Command {
  return agentOptions(new Command('list'))
    .description('the keys of this node with their states, or those of another node as this one knows them')
    .option('--node <id>', 'another node: what this one would seal to now')
    .option('--ask', 'with --node: ask that node first')
    .action(async (options: AgentOptions & { node?: string; ask?: boolean }) => {
      const client = controlClient(options)
      if (options.node === undefined) return printKeys(await client.keys(), options)
      printPeer(await client.peerKeys(options.node, options.ask === true ? 'ask' : 'known'), options)
    })
}

/** The table of this node's keys, or one JSON value. */
export function printKeys(view: KeysView, options: AgentOptions): void {
  if (options.json === true) {
    printJson(view)
    return
  }
  const rows = view.keys.map(({ use, kid, state, notBefore, expires }) => [
    use,
    kid,
    state,
    notBefore === null ? '' : date(notBefore),
    expires === null ? 'never' : date(expires),
    view.deviceKey.provider,
  ])
  const titles = ['use', 'key', 'state', 'not before', 'expires', 'locked by']
  printData(
    formatTable(
      titles.map((title) => ({ title, align: 'left' as const })),
      rows,
    ),
  )
  printNote(
    view.root === null
      ? 'under no root of an owner (askee keys root create)'
      : `under the owner root ${view.root.root} since ${date(view.root.certifiedAt)}`,
  )
  printNote(`locked by ${view.deviceKey.provider}: ${view.deviceKey.protects}`)
}

function printPeer(view: PeerKeysView, options: AgentOptions): void {
  if (options.json === true) {
    printJson(view)
    return
  }
  const rows = view.keys.map(({ use, kid, expires, code }) => [
    use,
    printable(kid ?? '—'),
    code ?? 'usable',
    expires === null ? '' : date(expires),
  ])
  const titles = ['use', 'key', 'state', 'expires']
  printData(
    formatTable(
      titles.map((title) => ({ title, align: 'left' as const })),
      rows,
    ),
  )
}

/** UTC to the second. */
function date(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}
