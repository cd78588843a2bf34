import { spread } from './census.ts'

/** What generated tasks ended with. */
export class Tally {
  readonly #traps = new Map<string, number>()
  readonly #outputs = new Set<string>()
  readonly #fuel: number[] = []

  /** `answers` as `answerOf` writes them: module, output, trap, fuel. */
  add(answers: Iterable<string>): void {
    for (const answer of answers) {
      const [, output = '', trap = '', fuel = ''] = answer.split(' ')
      this.#traps.set(trap, (this.#traps.get(trap) ?? 0) + 1)
      this.#outputs.add(output)
      this.#fuel.push(Number(fuel))
    }
  }

  /** How many tasks ended with each trap, `null` for those with none. */
  get traps(): ReadonlyMap<string, number> {
    return this.#traps
  }

  rows(): [string, string][] {
    const byCount = [...this.#traps].sort(([, a], [, b]) => b - a)
    return [
      ...byCount.map(([trap, count]): [string, string] => [
        trap === 'null' ? 'ended without a trap' : `trap ${trap}`,
        String(count),
      ]),
      ['different outputs', String(this.#outputs.size)],
      ['fuel used', spread(this.#fuel)],
    ]
  }
}

/** Two columns. */
export function listing(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
}
