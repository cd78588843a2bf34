/** An agent in a process of its own, for the test that kills it: starts tasks and says which processes they are. */
import { readdirSync, readFileSync } from 'node:fs'
import {
  createHeldV8Executor,
  createNativeExecutor,
  createPortableExecutor,
  type Executor,
  locateNative,
} from '../src/index.ts'
import { countedTask, requestOf } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { hurryHeld } from './support/hurry.ts'

const kind = process.argv[2]
const binaries = locateNative()
const calm = kind === 'v8' ? hurryHeld() : undefined
const executor = createExecutor()
await executor.start()
const module = await countedTask('(loop $again (br $again))')
await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
const frozen = await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
await new Promise((resolve) => setTimeout(resolve, 400))
if (kind !== 'none') await frozen.freeze()
calm?.()

function createExecutor(): Executor {
  if ('warden' in binaries && kind === 'v8') {
    return createHeldV8Executor(components, { warden: binaries.warden, startTimeout: 50_000 })
  }
  if ('warden' in binaries && kind === 'native') return createNativeExecutor(components, { binaries })
  return createPortableExecutor(components, { wrapper: kind === 'none' ? 'none' : 'probe' })
}

/** Parent of a process, by /proc; empty when it is gone. */
function parentOf(pid: string): string {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[1] ?? ''
  } catch {
    return ''
  }
}

const parents = new Map(readdirSync('/proc').map((pid) => [pid, parentOf(pid)]))
const below = (pid: string): string[] =>
  [...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)])
console.log(below(String(process.pid)).join(' '))
