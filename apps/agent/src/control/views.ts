import type { CampaignView, ConsentView, StatusView } from '@askee/client'
import type { CampaignReport, Requester, WorkerStatus } from '@askee/compute'
import type { ConsentEntry } from '@askee/consent'
import type { EngineDescription } from '@askee/sandbox'

/** A campaign as the control API shows it. */
export function campaignView(report: CampaignReport): CampaignView {
  return {
    id: report.id,
    purpose: report.purpose,
    kind: report.kind,
    state: report.state,
    cancelled: report.cancelled,
    volunteers: { ...report.volunteers, engines: { ...report.volunteers.engines } },
    f: report.f,
    engines: report.engines,
    submitted: report.submitted,
    tasks: report.tasks.map((task) => ({
      id: task.id,
      index: task.index,
      state: task.state,
      replicas: task.replicas,
      engines: { ...task.engines },
      reason: task.reason,
      result:
        task.result === null
          ? null
          : {
              output: Buffer.from(task.result.output).toString('base64'),
              trap: task.result.trap,
              fuel: task.result.fuel.toString(),
            },
    })),
    accused: report.accused.map(({ node, task, lease, offence }) => ({ node, task, lease, offence })),
    credit: decimals(report.credit),
  }
}

/** A map of 64-bit numbers as an object of decimal text. */
export function decimals(map: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...map].map(([key, value]) => [key, value.toString()]))
}

/** A consent as the control API shows it: never the token itself. */
export function consentView(entry: ConsentEntry): ConsentView {
  const { id, phase, live, manifest, terms, claims, tokens, changed } = entry
  const { resources, tasks, monitoring } = terms.permissions
  return {
    id,
    phase,
    live,
    requester: manifest.requester,
    author: manifest.author,
    name: manifest.name,
    domain: manifest.domain,
    purpose: terms.purposes.join('; '),
    kinds: [...tasks.kinds],
    data: [...terms.data],
    expires: claims?.expires ?? manifest.until,
    renewalsLeft: terms.maxRenewals,
    limits: { ...resources, maxDurationHours: tasks.maxDurationHours, minReputation: tasks.minReputation },
    monitoring: { ...monitoring },
    tokens: [...tokens],
    textDigest: claims?.textDigest ?? null,
    changed,
  }
}

/** How many consents there are of each kind, and what the live ones allow to whom. */
export function consentStanding(
  entries: readonly ConsentEntry[],
  leases: WorkerStatus['leases'],
): StatusView['consents'] {
  const live = entries.filter((entry) => entry.live).sort((a, b) => b.changed - a.changed)
  const among = (...phases: readonly ConsentEntry['phase'][]): number =>
    entries.filter((entry) => !entry.live && phases.includes(entry.phase)).length
  return {
    live: live.map(({ id, manifest, terms, claims, tokens }) => ({
      id,
      requester: manifest.requester,
      purpose: terms.purposes.join('; '),
      expires: claims?.expires ?? manifest.until,
      running: leases.filter((lease) => tokens.includes(lease.consent) && lease.state === 'running').length,
    })),
    suspended: among('suspended'),
    open: among('invited', 'reviewed'),
    over: among('granted', 'renewed', 'revoked', 'expired', 'refused'),
  }
}

/** The campaigns under way, whole, and how many are over. */
export function campaignStanding(all: ReturnType<Requester['list']>): StatusView['campaigns'] {
  const running = all.filter(({ state }) => state === 'running')
  return {
    running: running.map(({ volunteers, ...campaign }) => ({
      ...campaign,
      volunteers: { ...volunteers, engines: { ...volunteers.engines } },
    })),
    over: all.length - running.length,
  }
}

/** What runs the tasks, and every layer that holds them or does not. */
export function executorView(description: EngineDescription): StatusView['executor'] {
  const { name, engine, engineVersion, tier, layers, report = [], reason } = description
  return {
    name,
    engine,
    engineVersion,
    tier,
    layers: [...layers],
    report: [...report],
    ...(reason === undefined ? {} : { reason }),
  }
}
