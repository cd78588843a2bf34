/** kill -9 while every processor has something better to do: how long a dead warden's or agent's work still takes to be gone. */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { quantile } from '../escape/processes.ts'
import { closeKillSite, killRound, type Victim } from './kill.ts'

export interface Beside {
  readonly victim: Victim
  /** Milliseconds from each kill until nothing ran any more, and its memory was free; infinite when something still did. */
  readonly spans: readonly number[]
  readonly left: readonly string[]
}

/** Kills `rounds` times beside one busy program a processor, each in a session of its own as the person's are. */
export async function killBeside(victim: Victim, rounds: number): Promise<Beside> {
  const spin = ['-e', 'for (;;);']
  const options = { stdio: 'ignore', detached: true } as const
  const busy = Array.from({ length: availableParallelism() }, () => spawn(process.execPath, spin, options))
  const end = () => {
    for (const each of busy) each.kill('SIGKILL')
  }
  process.once('exit', end)
  const spans: number[] = []
  const left: string[] = []
  try {
    for (let round = 0; round < rounds; round++) {
      const aftermath = await killRound({ victim, phase: 'run', delay: Math.random() * 30 })
      spans.push(aftermath.gone ?? Number.POSITIVE_INFINITY)
      left.push(...aftermath.left)
    }
  } finally {
    end()
    process.off('exit', end)
    await closeKillSite()
  }
  return { victim, spans, left }
}

export function describeBeside({ victim, spans, left }: Beside): string {
  const at = (share: number) => quantile(spans, share).toFixed(1)
  const remaining = left.length === 0 ? 'nothing left' : `left: ${left.join(', ')}`
  return `${victim} killed ${spans.length} times beside busy programs: gone after ${at(0.5)} ms (median), ${at(0.9)} (p90), ${at(1)} (worst); ${remaining}`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20' } } })
  for (const victim of ['warden', 'agent'] as const) {
    console.log(describeBeside(await killBeside(victim, Number(values.rounds))))
  }
}
