/** M-5 and M-6: how fast a contained task starts, stops for the person, and ends with its agent. */
import { measureDeath, type Spans } from '../../packages/sandbox/bench/death.ts'
import { measureFreeze, type Quantiles } from '../../packages/sandbox/bench/freeze.ts'
import { measureStart } from '../../packages/sandbox/bench/start.ts'
import { figure, type Measure } from './measure.ts'

type Note = (text: string) => void

const START = { id: 'M-5', unit: 'ms', least: 25, aim: 5, better: 'lower' } as const
const FREEZE = { id: 'M-6', unit: 'ms', least: 50, aim: 10, better: 'lower' } as const
const DEATH = { id: 'M-6', unit: 'ms', least: 100, aim: 50, better: 'lower' } as const
const BOINC = { what: 'BOINC, at most (literature)', value: 20_000 }

export async function startMeasures(note: Note): Promise<Measure[]> {
  note('M-5: starting tasks …')
  const { bareNode, bubblewrap, cold, warm, warmP95, native } = await measureStart()
  note(
    `  portable: cold ${figure(cold)} ms, from a spare ${figure(warm)} (95th percentile ${figure(warmP95)})`,
  )
  const references = [
    { what: 'bare Node child', value: bareNode },
    { what: 'bubblewrap around /bin/true', value: bubblewrap },
  ]
  const portable: Measure = {
    ...START,
    what: 'start of a task to its result, portable executor with a spare, median',
    value: warm,
    references,
    control: { what: 'without a spare', value: cold },
  }
  if (native === null) return [portable]
  const { compiling, compilingMuch, cold: nativeCold, warm: nativeWarm } = native
  note(
    `  native: compiling ${figure(compiling)} ms, compiled ${figure(nativeCold)}, from a spare ${figure(nativeWarm)} (95th percentile ${figure(native.warmP95)})`,
  )
  return [
    portable,
    {
      ...START,
      what: 'the same, native executor, module compiled before',
      value: nativeWarm,
      references,
      control: { what: 'without a spare, compiling 1,000 functions', value: compilingMuch },
    },
  ]
}

export async function freezeMeasures(note: Note): Promise<Measure[]> {
  note('M-6: freezing four computing tasks …')
  const { portable, native, bareNode, cooperative } = await measureFreeze()
  const measure = (name: string, { median, p99 }: Quantiles): Measure => {
    note(`  ${name}: median ${figure(median)} ms, 99th percentile ${figure(p99)}`)
    return {
      ...FREEZE,
      what: `told of input → all work frozen, four tasks, ${name}, 99th percentile`,
      value: p99,
      references: [{ what: 'SIGSTOP of bare Node children', value: bareNode.p99 }, BOINC],
      control: { what: 'asked to end after their step of 0.1 s', value: cooperative.p99 },
    }
  }
  return [
    measure('portable executor', portable),
    ...(native === null ? [] : [measure('native executor', native)]),
  ]
}

export async function deathMeasures(note: Note): Promise<Measure[]> {
  note('M-6: killing agents …')
  const { portable, native, warden, bubblewrap, bareNode } = await measureDeath()
  const measure = (name: string, { median, most }: Spans): Measure => {
    note(`  ${name}: median ${figure(median)} ms, worst ${figure(most)}`)
    return {
      ...DEATH,
      what: `${name} killed → work gone, worst of 20`,
      value: most,
      references: [{ what: 'bubblewrap --die-with-parent', value: bubblewrap?.most ?? null }, BOINC],
      control: {
        what: 'bare Node child that waits for the end of its stdin (2,000: never)',
        value: bareNode.most,
      },
    }
  }
  return [
    measure('agent (portable executor)', portable),
    ...(native === null ? [] : [measure('agent (native executor)', native)]),
    ...(warden === null ? [] : [measure('warden', warden)]),
  ]
}
