import type { CampaignView, ConsentView, StatusView } from '@askee/client'
import type { CampaignReport } from '@askee/compute'
import type { ConsentEntry } from '@askee/consent'
import type { EngineDescription } from '@askee/sandbox'

/** A campaign as the control API shows it. */
export function campaignView(report: CampaignReport): CampaignView {
  return {
    id: report.id,
    purpose: report.purpose,
    kind: report.kind,
    state: report.state,
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
