import { readFile } from 'node:fs/promises'
import { fromUtf8, utf8 } from '@askee/core'
import { expect, it } from 'vitest'
import { InputWriter } from '../src/wire.ts'
import { compileSource } from './compile-source.ts'
import { runBytes } from './host.ts'

it('CMP-1 the task that the README shows compiles and gives the right sum', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const source = /```ts\n(\/\/ assembly[^`]*)```/.exec(readme)![1]!
  const input = new InputWriter().u32(3).u32(4).u32(0xffff_ffff).finish()
  const sum = 3n * 3n + 4n * 4n + 0xffff_ffffn * 0xffff_ffffn
  expect(fromUtf8(runBytes(await compileSource(source), input).output)).toBe(sum.toString())
})

it('WSM-1 the kit reads, writes and logs every type, and traps outside its buffers', async () => {
  const task = await compileSource(`
    import { DONE, log, MORE, Reader, require, Writer, writeText } from './kit'
    let steps = 0
    export function step(): i32 {
      if (++steps < 3) return MORE
      const input = new Reader()
      const output = new Writer(input.u32())
      output.u8(input.u8())
      output.u32(input.u32())
      output.u64(input.u64())
      output.f64(input.f64())
      const doubles = input.f64Array(2)
      output.f64(doubles[0] + doubles[1])
      const bytes = input.byteArray(3)
      output.copy(changetype<usize>(bytes), 3)
      output.flush()
      require(input.remaining == 0)
      log('grüße ' + steps.toString())
      writeText('…end')
      return DONE
    }`)
  const input = (capacity: number) =>
    new InputWriter()
      .u32(capacity)
      .u8(255)
      .u32(0xdead_beef)
      .u64(2n ** 64n - 2n)
      .f64(-0)
      .f64s([0.1, 0.2])
      .bytes(Uint8Array.of(7, 8, 9))
      .finish()
  const expected = new InputWriter()
    .u8(255)
    .u32(0xdead_beef)
    .u64(2n ** 64n - 2n)
    .f64(-0)
    .f64(0.1 + 0.2)
    .bytes(Uint8Array.of(7, 8, 9))
    .bytes(utf8('…end'))
    .finish()
  const run = runBytes(task, input(32))
  expect(Buffer.from(run.output)).toEqual(Buffer.from(expected))
  expect(run).toMatchObject({ steps: 3, log: ['grüße 3'] })
  for (const wrong of [input(31), input(32).slice(0, -1), Uint8Array.of(...input(32), 0)]) {
    expect(() => runBytes(task, wrong)).toThrow('unreachable')
  }
})
