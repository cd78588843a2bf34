/**
 * Runs the generated tasks in this process's V8 and prints a line for each: seed, digest of the module, output, trap, fuel.
 * Many modules in one process, which the executors never do: for generated modules only. Arguments: first seed, count, and
 * `--raw` to leave the pass out (fuel is −1 then).
 */
import { runInV8 } from '@askee/wasm/testing'
import { answerOf, generatedModule, generatedRequest } from './generated.ts'

const first = Number(process.argv[2])
const count = Number(process.argv[3])
const isRaw = process.argv.includes('--raw')

function answerTo(seed: number): string {
  const { module, input, limits } = generatedRequest(seed)
  const { fuel, outputBytes } = limits
  const entry = seed % 2 === 0 ? 'run' : 'step'
  const ran = isRaw ? generatedModule(seed) : module
  try {
    const result = runInV8(ran, { entry, input, fuel, outputBytes })
    return answerOf(ran, `${Buffer.from(result.output).toString('hex')} ${result.trap} ${result.fuel}`)
  } catch (error) {
    return answerOf(ran, `engine: ${error instanceof Error ? error.message : String(error)}`)
  }
}

for (let seed = first; seed < first + count; seed++) console.log(`${seed} ${answerTo(seed)}`)
