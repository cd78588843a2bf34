import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fromUtf8 } from '@askee/core'
import { afterAll, expect, it } from 'vitest'
import { compileTask } from '../scripts/compile.ts'
import { InputWriter } from '../src/wire.ts'
import { runBytes } from './host.ts'

const folder = await mkdtemp(join(tmpdir(), 'askee-task-'))
afterAll(() => rm(folder, { recursive: true }))

it('CMP-1 the task that the README shows compiles and gives the right sum', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const source = /```ts\n(\/\/ assembly[^`]*)```/.exec(readme)![1]!
  const kit = relative(folder, new URL('../assembly/kit', import.meta.url).pathname)
  const [from, to] = [join(folder, 'task.ts'), join(folder, 'task.wasm')]
  await writeFile(from, source.replace("'./kit'", JSON.stringify(kit)))
  await compileTask(from, to)
  const input = new InputWriter().u32(3).u32(4).u32(0xffff_ffff).finish()
  const sum = 3n * 3n + 4n * 4n + 0xffff_ffffn * 0xffff_ffffn
  expect(fromUtf8(runBytes(await readFile(to), input).output)).toBe(sum.toString())
})
