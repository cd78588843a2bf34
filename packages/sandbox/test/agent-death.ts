/** An agent in a process of its own, for the test that kills it: starts tasks and says which processes they are. */
import { readdirSync, readFileSync } from 'node:fs'
import { createNativeExecutor, createPortableExecutor, locateNative } from '../src/index.ts'
import { countedTask, requestOf } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

const kind = process.argv[2]
const binaries = locateNative()
const executor =
  kind === 'native' && 'warden' in binaries
    ? createNativeExecutor(components, { binaries })
    : createPortableExecutor(components, { wrapper: kind === 'none' ? 'none' : 'probe' })
await executor.start()
const module = await countedTask('(loop $again (br $again))')
await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
const frozen = await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
await new Promise((resolve) => setTimeout(resolve, 400))
if (kind !== 'none') await frozen.freeze()

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
