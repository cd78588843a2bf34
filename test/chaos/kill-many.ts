import { isCollectedHere, quantile } from '../escape/processes.ts'
import { type Aftermath, closeKillSite, type KillRound, killRound } from './kill.ts'
import { PHASES } from './phases.ts'

export interface Killings {
  readonly rounds: number
  /** What was left, and after what. */
  readonly left: readonly string[]
  /** Milliseconds until nothing ran any more. */
  readonly spans: readonly number[]
}

/** Kills agents and wardens at random moments. Every fourth round it is the agent, which takes longer to start. */
export async function killMany(rounds: number): Promise<Killings> {
  const left: string[] = []
  const spans: number[] = []
  for (let round = 0; round < rounds; round++) {
    const victim = round % 4 === 3 ? 'agent' : 'warden'
    const phase = PHASES[Math.floor(round / 4 + round) % PHASES.length]!
    const plan: KillRound = { victim, phase, delay: Math.random() * (phase === 'start' ? 15 : 30) }
    const { gone, left: remains }: Aftermath = await killRound(plan)
    const told = `round ${round}, ${victim} in ${phase} after ${plan.delay.toFixed(1)} ms`
    if (gone === null) left.push(`${told}: still running`)
    else spans.push(gone)
    left.push(...remains.map((text) => `${told}: ${text}`))
  }
  await closeKillSite()
  return { rounds, left, spans }
}

export async function describeKillings({ rounds, spans }: Killings): Promise<string> {
  const at = (share: number) => quantile(spans, share).toFixed(1)
  const orphans = (await isCollectedHere())
    ? ''
    : '; dead orphans are not collected within 1 s on this machine'
  return `${rounds} kills: nothing ran after ${at(0.5)} ms (median), ${at(0.9)} (p90), ${at(0.99)} (p99), ${at(1)} (worst)${orphans}`
}
