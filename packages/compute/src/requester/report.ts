import type { Fuel, NodeId, Timestamp } from '@askee/core'
import type { TaskResult } from '@askee/sandbox'
import type { Accusation, CampaignReport, Requester, TaskReport } from '../api.ts'
import type { AccusationRecord, TaskRecord } from '../coordinator/state.ts'
import { volunteersOf } from '../coordinator/volunteers.ts'
import { enginesOf } from '../protocol/manifest.ts'
import { taskIdOf } from '../protocol/task-id.ts'
import type { Campaign } from './campaign.ts'
import type { Journal } from './journal.ts'

/** A campaign in a list: no outputs, no evidence. */
export function summaryOf(
  { signed, state, submitted }: Campaign,
  now: Timestamp,
): ReturnType<Requester['list']>[number] {
  return {
    id: signed.id,
    purpose: signed.manifest.purpose,
    state: state.phase,
    cancelled: state.cancelled ?? null,
    submitted,
    volunteers: volunteersOf(state, now),
    tasks: state.tasks.length,
    accepted: state.tasks.filter((task) => task.outcome?.kind === 'accepted').length,
    undecided: state.tasks.filter((task) => task.outcome?.kind === 'undecidable').length,
  }
}

/** Everything known of a campaign, outputs and evidence read from the journal. */
export function reportOf(journal: Journal, campaign: Campaign, now: Timestamp): CampaignReport {
  const { signed, state, submitted } = campaign
  return {
    id: signed.id,
    purpose: signed.manifest.purpose,
    kind: signed.manifest.kind,
    state: state.phase,
    cancelled: state.cancelled ?? null,
    volunteers: volunteersOf(state, now),
    f: signed.manifest.f,
    engines: enginesOf(signed.manifest),
    tasks: state.tasks.map((task, index) => taskReport(journal, campaign, task, index)),
    accused: state.accusations.map((record) => accusationOf(journal, campaign, record)),
    credit: new Map(
      Object.entries(state.credit).map(([node, fuel]) => [node as NodeId, BigInt(fuel) as Fuel]),
    ),
    submitted,
  }
}

function taskReport(journal: Journal, campaign: Campaign, task: TaskRecord, index: number): TaskReport {
  const { outcome } = task
  const undecided = task.replicas > 0 ? 'running' : 'pending'
  return {
    id: taskIdOf(campaign.signed.id, index),
    index,
    state: outcome?.kind ?? undecided,
    result: outcome?.kind === 'accepted' ? resultOf(journal, campaign, outcome.vote) : null,
    replicas: task.replicas,
    engines: { ...task.agreed },
    reason: outcome?.kind === 'undecidable' ? outcome.reason : null,
  }
}

function resultOf(
  journal: Journal,
  campaign: Campaign,
  vote: { output: Parameters<Journal['blob']>[1]; trap: TaskResult['trap']; fuel: string },
): TaskResult {
  const output = journal.blob(campaign.signed.id, vote.output) ?? new Uint8Array()
  return { output, trap: vote.trap, fuel: BigInt(vote.fuel) as Fuel }
}

/** An accusation with its evidence: the accused node's own documents first. */
export function accusationOf(journal: Journal, campaign: Campaign, record: AccusationRecord): Accusation {
  const { id } = campaign.signed
  return {
    node: record.node,
    task: taskIdOf(id, record.task),
    lease: record.lease,
    offence: record.offence,
    evidence: record.evidence
      .map((digest) => journal.document(id, digest))
      .filter((document) => document !== undefined),
  }
}
