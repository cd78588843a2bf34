import type { CampaignView, ControlClient, VolunteersView } from '@askee/client'
import type { EnginePolicy } from '@askee/compute'
import { count } from '../terminal/count.ts'
import { isFancy, printable, printNote } from '../terminal/output.ts'

/** When the person is told what is missing, first and again: nobody should look at a silent terminal and guess. */
const TELL_AFTER_MS = [3_000, 10_000, 25_000, 60_000, 300_000]

/** What a person who waits must know of a campaign. */
export interface Awaited {
  readonly id: string
  readonly purpose: string
  readonly tasks: number
  readonly f: number
  readonly engines: EnginePolicy
}

/** Waits for a campaign's end, telling how it goes and what is missing. @param where the options that name the agent, to be repeated */
export async function waitTelling(
  client: ControlClient,
  awaited: Awaited,
  where: string,
): Promise<CampaignView> {
  const { id, tasks } = awaited
  const over = new AbortController()
  const fancy = isFancy(process.stderr)
  const offers = new Set<string>()
  let decided = 0
  const watch = async (): Promise<void> => {
    for await (const event of client.events(over.signal)) {
      if (event.campaign !== id) continue
      if (event.type === 'offer') offers.add(String(event.node))
      if (event.type === 'accepted' || event.type === 'undecidable') decided++
      if (fancy) {
        process.stderr.write(
          `\r${count(offers.size, 'volunteer')} offered, ${decided} of ${count(tasks, 'task')} decided \x1b[K`,
        )
      }
    }
  }
  void watch().catch(() => undefined)
  let told = ''
  const tell = async (): Promise<void> => {
    const campaign = (await client.campaigns()).find((one) => one.id === id)
    if (campaign === undefined || campaign.state !== 'running' || campaign.accepted > 0) return
    const text = missingVolunteers(awaited, campaign.volunteers)
    if (text === null || text === told || over.signal.aborted) return
    told = text
    const short = id.slice(0, 12)
    printNote(`${fancy ? '\r\x1b[K' : ''}${text}`)
    printNote(
      `This goes on waiting. Ctrl-C leaves the campaign running: askee results ${short}${where}; to end it: askee campaigns cancel ${short}${where}`,
    )
  }
  const timers = TELL_AFTER_MS.map((after) => setTimeout(() => void tell().catch(() => undefined), after))
  try {
    return await client.wait(id)
  } finally {
    for (const timer of timers) clearTimeout(timer)
    over.abort()
    if (fancy) process.stderr.write('\r\x1b[K')
  }
}

/** What a campaign still lacks to be decided, in words, or null when it lacks nothing. */
export function missingVolunteers(
  { f, engines, purpose }: Pick<Awaited, 'f' | 'engines' | 'purpose'>,
  { ready, engines: byEngine, gone, accused, ending, cramped }: VolunteersView,
): string | null {
  const full = Math.max(2 * f + 1, engines === 'diverse' ? 2 : 1)
  const names = Object.entries(byEngine).map(([engine, n]) => `${engine} ${n}`)
  const lacksEngine = engines === 'diverse' && names.length < 2
  if (ready >= full && !lacksEngine) return null
  const known = Object.keys(byEngine)[0]
  const so = [
    `${count(ready, 'volunteer')} so far${names.length === 0 ? '' : ` (${names.join(', ')})`}`,
    ...(gone === 0 ? [] : [`${gone} gone`]),
    ...(ending === 0 ? [] : [`${ending} whose consent ends before --wall-seconds could pass`]),
    ...(cramped === 0 ? [] : [`${cramped} whose consent allows too little disk for it`]),
    ...(accused === 0 ? [] : [`${accused} proven wrong`]),
  ].join(', ')
  const vote = f === 0 ? '' : ` (f = ${f}: ${f + 1} equal results decide)`
  const other =
    known === undefined ? ' with two different engines' : `, one of them with an engine other than ${known}`
  const hint =
    ready > 0
      ? 'A task that nobody could help for half a minute ends undecided.'
      : `Nodes offer when their owners have granted this node a consent that covers the work and names its purpose literally: "${printable(purpose)}". One that does so may still be too small for it: its kinds of work, memory, longest task, storage or network. Only its owner sees that: askee consent show.`
  return `${so}; needed are ${Math.max(full, lacksEngine ? ready + 1 : 0)}${vote}${lacksEngine ? other : ''}. ${hint}`
}
