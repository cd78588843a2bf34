/** An agent in a process of its own, for the test that kills it: starts tasks and says which processes they are. */
import { readdirSync, readFileSync } from 'node:fs'
import { createPortableExecutor } from '../src/index.ts'
import { countedTask, requestOf } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

const executor = createPortableExecutor(components, {
  wrapper: process.argv[2] === 'none' ? 'none' : 'probe',
})
await executor.start()
const module = await countedTask('(loop $again (br $again))')
await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
const frozen = await executor.execute(requestOf(module, { limits: { wallTime: 60_000 } }))
await new Promise((resolve) => setTimeout(resolve, 400))
if (process.argv[2] !== 'none') await frozen.freeze()

const children = readdirSync('/proc').filter((pid) => {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[1] === String(process.pid)
  } catch {
    return false
  }
})
console.log(children.join(' '))
