import type { EventView } from '@askee/client'
import { isFancy } from '../terminal/output.ts'

const BAR = 28
const REDRAW_MS = 120
const LINE_EVERY_MS = 2_000

interface Row {
  planned: number
  accepted: number
  undecided: number
  mark: ' ' | '✓' | '✗'
}

/** Live progress on standard error: bars where a terminal can redraw, a line now and then where it cannot. */
export class Progress {
  readonly #rows = new Map<string, Row>()
  readonly #workloadOf = new Map<string, string>()
  readonly #early: EventView[] = []
  readonly #begun = performance.now()
  readonly #fancy = isFancy(process.stderr)
  #phase = ''
  #drawn = 0
  #assigned = 0
  #accused = 0
  #lost = 0
  readonly #timer: NodeJS.Timeout

  constructor(workloads: readonly string[]) {
    for (const name of workloads) this.#rows.set(name, { planned: 0, accepted: 0, undecided: 0, mark: ' ' })
    this.#timer = setInterval(() => this.#draw(), this.#fancy ? REDRAW_MS : LINE_EVERY_MS)
    this.#timer.unref()
  }

  phase(text: string): void {
    this.#phase = text
    if (!this.#fancy) process.stderr.write(`${text}\n`)
  }

  /** A campaign of a workload was sent; events that overtook this call are counted now. */
  campaign(id: string, workload: string, tasks: number): void {
    this.#workloadOf.set(id, workload)
    const row = this.#rows.get(workload)
    if (row !== undefined) row.planned += tasks
    for (const event of this.#early.splice(0)) this.event(event)
  }

  event(event: EventView): void {
    const workload = this.#workloadOf.get(event.campaign)
    if (workload === undefined) {
      this.#early.push(event)
      return
    }
    const row = this.#rows.get(workload)
    if (event.type === 'accepted' && row !== undefined) row.accepted++
    if (event.type === 'undecidable' && row !== undefined) row.undecided++
    if (event.type === 'assigned') this.#assigned++
    if (event.type === 'accused') this.#accused++
    if (event.type === 'lease-lost') this.#lost++
  }

  workloadDone(name: string, answer: 'right' | 'wrong'): void {
    const row = this.#rows.get(name)
    if (row !== undefined) row.mark = answer === 'right' ? '✓' : '✗'
  }

  stop(): void {
    clearInterval(this.#timer)
    if (this.#fancy) this.#clear()
  }

  #summary(): string {
    const seconds = ((performance.now() - this.#begun) / 1000).toFixed(0)
    return `${this.#phase}  ${seconds} s, ${this.#assigned} replicas assigned, ${this.#lost} lost, ${this.#accused} accusations`
  }

  #draw(): void {
    const rows = [...this.#rows]
    if (!this.#fancy) {
      const accepted = rows.reduce((sum, [, row]) => sum + row.accepted, 0)
      const planned = rows.reduce((sum, [, row]) => sum + row.planned, 0)
      if (planned > 0) process.stderr.write(`${this.#summary()}, ${accepted} of ${planned} tasks accepted\n`)
      return
    }
    const width = Math.max(...rows.map(([name]) => name.length))
    const lines = [
      this.#summary(),
      ...rows.map(([name, row]) => {
        const share = row.planned === 0 ? 0 : Math.min(1, (row.accepted + row.undecided) / row.planned)
        const filled = Math.round(share * BAR)
        const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`
        return `${row.mark} ${name.padEnd(width)} ${bar} ${row.accepted}/${row.planned}${row.undecided > 0 ? ` (${row.undecided} undecided)` : ''}`
      }),
    ]
    this.#clear()
    process.stderr.write(`${lines.join('\n')}\n`)
    this.#drawn = lines.length
  }

  #clear(): void {
    if (this.#drawn > 0) process.stderr.write(`\x1b[${this.#drawn}A\x1b[J`)
    this.#drawn = 0
  }
}
