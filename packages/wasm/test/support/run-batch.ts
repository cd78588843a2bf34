/**
 * Runs generated modules and prints one line each; the tests compare what different compilers of V8 print.
 * Arguments: first seed, count.
 */
import { createHash } from 'node:crypto'
import { instrument } from '../../src/index.ts'
import { generateModule, runInV8 } from '../../src/testing/index.ts'

const first = Number(process.argv[2])
const count = Number(process.argv[3])
const input = Uint8Array.from({ length: 40 }, (_, index) => index * 7)
const entries = ['run', 'step', 'main'] as const
for (let seed = first; seed < first + count; seed++) {
  const entry = entries[seed % 3] ?? 'run'
  const module = generateModule(seed, { entry, nan: 'seen' })
  const { bytes } = instrument(module, { abi: entry === 'main' ? 'none' : 'askee' })
  // Every fifth module gets so little fuel that most run out of it.
  const fuel = seed % 5 === 0 ? 1_000n : 10_000_000n
  const result = runInV8(bytes, { entry, input, fuel })
  const hash = createHash('sha256').update(result.output).update(result.memory).digest('hex').slice(0, 16)
  const globals = Object.values(result.globals).map(String).join()
  console.log([seed, String(result.trap), result.fuel, hash, globals].join(' '))
}
