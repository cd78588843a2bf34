import type { NodeId, Timestamp } from '@askee/core'
import type { Alert } from './alert.ts'

/** Entered by either of several; left by the owner alone. */
export interface ParanoidRules {
  readonly self: NodeId
  readonly enterBy: readonly NodeId[]
  readonly leaveBy: readonly NodeId[]
  /** Conversations that go on: their names, or the beginnings of their names when they end with a slash. */
  readonly critical: readonly string[]
}

export interface ParanoidState {
  readonly mode: 'normal' | 'paranoid'
  /** When the mode began; 0 before any alert. */
  readonly since: Timestamp
  /** Of the last alert taken. */
  readonly sequence: number
  /** Whether the keys of before are void yet: owed again after a crash. */
  readonly rotation: 'due' | 'done'
}

export type ParanoidEvent =
  | { readonly type: 'loaded' }
  | { readonly type: 'alert'; readonly signer: NodeId; readonly alert: Alert; readonly now: Timestamp }
  | { readonly type: 'rotated' }

export type ParanoidEffect =
  | { readonly type: 'rotate-emergency' }
  /** Conversations that are not critical stop, or go on. */
  | { readonly type: 'freeze' }
  | { readonly type: 'thaw' }
  | { readonly type: 'refused'; readonly code: AlertRefusal }

export type AlertRefusal =
  | 'paranoid/alert-for-another'
  | 'paranoid/alert-signer'
  | 'paranoid/alert-replayed'
  | 'paranoid/alert-stale'

export const NORMAL: ParanoidState = { mode: 'normal', since: 0, sequence: 0, rotation: 'done' }

/** A sleeping machine may hear of danger a day late; that all is well must be said now. */
const MAX_AGE = { enter: 24 * 3_600_000, leave: 5 * 60_000 } as const
const CLOCK_SKEW = 5 * 60_000

interface Step {
  readonly state: ParanoidState
  readonly effects: readonly ParanoidEffect[]
}

/** Paranoid mode: entered and left by a signed alert, each alert once, in order. */
export function stepParanoid(state: ParanoidState, event: ParanoidEvent, rules: ParanoidRules): Step {
  switch (event.type) {
    case 'loaded':
      return { state, effects: owed(state) }
    case 'rotated':
      return { state: { ...state, rotation: 'done' }, effects: [] }
    case 'alert': {
      const { alert, now } = event
      const code = refusal(state, event, rules)
      if (code !== undefined) return { state, effects: [{ type: 'refused', code }] }
      const { sequence } = alert
      if (alert.action === 'enter') {
        if (state.mode === 'paranoid') return { state: { ...state, sequence }, effects: [] }
        const entered: ParanoidState = { mode: 'paranoid', since: now, sequence, rotation: 'due' }
        return { state: entered, effects: owed(entered) }
      }
      if (state.mode === 'normal') return { state: { ...state, sequence }, effects: [] }
      return { state: { ...state, mode: 'normal', since: now, sequence }, effects: [{ type: 'thaw' }] }
    }
  }
}

function owed(state: ParanoidState): ParanoidEffect[] {
  const effects: ParanoidEffect[] = state.mode === 'paranoid' ? [{ type: 'freeze' }] : []
  return state.rotation === 'due' ? [...effects, { type: 'rotate-emergency' }] : effects
}

function refusal(
  state: ParanoidState,
  { signer, alert, now }: Extract<ParanoidEvent, { type: 'alert' }>,
  rules: ParanoidRules,
): AlertRefusal | undefined {
  if (alert.node !== rules.self) return 'paranoid/alert-for-another'
  const allowed = alert.action === 'enter' ? rules.enterBy : rules.leaveBy
  if (!allowed.includes(signer)) return 'paranoid/alert-signer'
  if (alert.sequence <= state.sequence) return 'paranoid/alert-replayed'
  const age = now - alert.at
  return age > MAX_AGE[alert.action] || age < -CLOCK_SKEW ? 'paranoid/alert-stale' : undefined
}

/** Whether a conversation goes on in paranoid mode. */
export function isCritical(conv: string, { critical }: ParanoidRules): boolean {
  return critical.some((name) => (name.endsWith('/') ? conv.startsWith(name) : conv === name))
}
