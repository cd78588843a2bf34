/**
 * Runs the generated tasks in this process's V8 and prints a line for each: seed, output, trap, fuel.
 * Many modules in one process, which the executors never do: for generated modules only. Arguments: first seed, count.
 */
import { runInV8 } from '@askee/wasm/testing'
import { answerOf, generatedRequest } from './generated.ts'

const first = Number(process.argv[2])
const count = Number(process.argv[3])
for (let seed = first; seed < first + count; seed++) {
  const { module, input, limits } = generatedRequest(seed)
  const entry = seed % 2 === 0 ? 'run' : 'step'
  const { output, trap, fuel } = runInV8(module, {
    entry,
    input,
    fuel: limits.fuel,
    outputBytes: limits.outputBytes,
  })
  const answer = `${Buffer.from(output).toString('hex')} ${trap} ${fuel}`
  console.log(`${seed} ${answerOf(module, answer)}`)
}
