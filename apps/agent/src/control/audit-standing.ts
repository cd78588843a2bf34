import { type AuditLog, evidenceDigest } from '@askee/audit'
import type { AuditStandingView, AuditVerificationView } from '@askee/client'
import type { AuditWatch } from '../audit-watch.ts'

/** Proofs against others shown at once; the newest. */
const SHOWN = 20

type Watched = Pick<AuditStandingView, 'cosigned' | 'alarms' | 'contradicted'>

/** What speaks for this node's log and against it, and against those of others. */
export function watchedView({ standing, checkpointing, evidence }: AuditWatch): Watched {
  const seen = checkpointing.cosigned()
  const by = seen?.cosignatures.map(({ witness }) => witness) ?? []
  const at = Math.max(0, ...(seen?.cosignatures.map((cosignature) => cosignature.at) ?? []))
  return {
    cosigned: seen === undefined ? null : { size: seen.size, at, by },
    alarms: standing.alarms().map(({ code, text, witness, at }) => ({ code, text, witness, at })),
    contradicted: evidence.list(SHOWN).map((kept) => {
      const { node, log, kind, text, source, at } = kept
      return { node, log, kind, text, source, at, digest: evidenceDigest(kept) }
    }),
  }
}

export function standingView(log: AuditLog, watch: AuditWatch): AuditStandingView {
  const view = watchedView(watch)
  const { log: name, at, reason } = watch.beginnings.current()
  const unheld = view.cosigned === null ? 'unwitnessed' : 'good'
  return {
    state: view.alarms.length > 0 ? 'held' : unheld,
    entries: log.size(),
    began: { log: name, at, reason },
    watched: watch.witness.watched(),
    ...view,
  }
}

/** Nothing found is an OK only when somebody else can say so too. */
export function verdictOf(findings: number, { alarms, cosigned }: Watched): AuditVerificationView['verdict'] {
  if (findings > 0 || alarms.length > 0) return 'changed'
  return cosigned === null ? 'unwitnessed' : 'whole'
}
