import wabtModule from 'wabt'

const FEATURES = { bulk_memory: true, simd: true, mutable_globals: true, multi_value: true }
/** A line of the text format begins with an instruction, or with a parenthesis when it declares something. */
const INSTRUCTION = /^\s+([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)/gm

/** What modules consist of, counted by an independent disassembler. */
export class Census {
  readonly #modules: { bytes: number; instructions: number }[] = []
  /** In how many modules an instruction stands. */
  readonly #holders = new Map<string, number>()

  async count(modules: Iterable<Uint8Array>): Promise<void> {
    const wabt = await wabtModule()
    for (const bytes of modules) {
      const module = wabt.readWasm(bytes, { ...FEATURES, readDebugNames: false })
      const text = module.toText({})
      module.destroy()
      const names = [...text.matchAll(INSTRUCTION)].map(([, name]) => name as string)
      this.#modules.push({ bytes: bytes.byteLength, instructions: names.length })
      for (const name of new Set(names)) this.#holders.set(name, (this.#holders.get(name) ?? 0) + 1)
    }
  }

  get kinds(): number {
    return this.#holders.size
  }

  /** Lines of a table: sizes, and what share of the modules has which kind of instruction. */
  rows(): [string, string][] {
    const total = this.#modules.length
    const least = (...names: string[]) =>
      `${Math.round((100 * Math.max(...names.map((name) => this.#holders.get(name) ?? 0))) / total)} %`
    const vectors = [...this.#holders.keys()].filter((name) => /^(v128|[if]\d+x\d+)\./.test(name))
    return [
      ['disassembled', `${total} modules, by wabt`],
      ['bytes before the pass', spread(this.#modules.map(({ bytes }) => bytes))],
      ['instructions', spread(this.#modules.map(({ instructions }) => instructions))],
      ['kinds of instruction seen', `${this.kinds}, ${vectors.length} of them SIMD`],
      ['modules with loop', least('loop')],
      ['with call; call_indirect', `${least('call')}; ${least('call_indirect')}`],
      ['with br_if; br_table', `${least('br_if')}; ${least('br_table')}`],
      ['with float arithmetic (most frequent kind)', least('f64.mul', 'f64.add', 'f32.add', 'f64.sqrt')],
      ['with bulk memory; memory.grow', `${least('memory.fill', 'memory.copy')}; ${least('memory.grow')}`],
    ]
  }
}

/** Least, median and most. */
export function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toLocaleString('en')
  return `${at(0)} least, ${at(0.5)} median, ${at(0.99)} p99, ${at(1)} most`
}
