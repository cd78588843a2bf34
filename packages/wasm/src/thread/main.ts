/** Body of the thread that instrument-in-thread.ts starts: one module, one answer. Anything but a refusal ends it. */
import { parentPort, workerData } from 'node:worker_threads'
import { isRefusal } from '../errors.ts'
import { instrument } from '../pass.ts'
import type { PassAnswer, PassTask } from './messages.ts'

const { bytes, options } = workerData as PassTask
let answer: PassAnswer
const handOver: ArrayBuffer[] = []
try {
  const instrumented = instrument(bytes, options)
  handOver.push(instrumented.bytes.buffer as ArrayBuffer)
  answer = { kind: 'instrumented', instrumented }
} catch (error) {
  if (!isRefusal(error)) throw error
  const { code, message, details } = error
  answer = { kind: 'refused', code, message, details }
}
parentPort?.postMessage(answer, handOver)
