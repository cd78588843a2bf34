import type { Milliseconds, Timers } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../src/binary/writer.ts'
import { check, instrument, instrumentInThread, LIMITS, type WasmError } from '../src/index.ts'
import { i32, ModuleBuilder } from '../src/testing/index.ts'
import { task } from './support/bodies.ts'

/** A task that is large because it has that much code. */
function large(bytes: number, last: readonly number[] = []): Uint8Array {
  const code: number[] = []
  while (code.length < 100_000) code.push(...i32(1), 0x1a)
  const builder = new ModuleBuilder().memory(1, 3).exportMemory()
  for (let size = code.length; size < bytes; size += code.length) builder.func([], [], [], code)
  return builder.exportFunction('run', builder.func([], [], [], [code, last])).bytes()
}

const MODULE = large(1_000_000)

describe('in a thread', () => {
  it.each([
    ['small', task([])],
    ['large', MODULE],
  ])('WSM-3 a %s module comes out as it does in place, and stays the caller’s', async (_size, module) => {
    const before = module.slice()
    const expected = instrument(module, { maxMemoryBytes: 2 << 16 })
    expect(await instrumentInThread(module, { maxMemoryBytes: 2 << 16 })).toEqual(expected)
    expect(Buffer.compare(module, before)).toBe(0)
  })

  it.each([
    ['a large module', large(1_000_000, [0xfe, 0x03, 0x00])],
    ['a small module', task([0xfe, 0x03, 0x00])],
    ['too many bytes', new Uint8Array(LIMITS.moduleBytes + 1)],
  ])('WSM-2 refuses %s by the same error', async (_name, module) => {
    const expected = await instrumentInThread(module).catch((error: unknown) => error as WasmError)
    expect(() => check(module)).toThrow(expected as WasmError)
    const { name, code, details } = expected as WasmError
    expect([name, code.startsWith('wasm/'), Number.isInteger(details.offset)]).toEqual([
      'AskeeError',
      true,
      true,
    ])
  })

  it('WSM-2 leaves the event loop free meanwhile', async () => {
    let turns = 0
    const beat = setInterval(() => turns++, 5)
    try {
      await instrumentInThread(large(6_000_000))
    } finally {
      clearInterval(beat)
    }
    expect(turns).toBeGreaterThan(5)
  })

  it('WSM-2 ends at its time limit, as a fault of this machine', async () => {
    let fire = (): void => {}
    let cancelled = 0
    const after: Timers['after'] = (_delay, callback) => {
      fire = callback
      return () => cancelled++
    }
    const timers = { after } as Timers
    const running = instrumentInThread(MODULE, { timers, timeLimit: 7 as Milliseconds })
    fire()
    await expect(running).rejects.toMatchObject({ code: 'fault/pass-time' })
    expect(cancelled).toBe(1)
  })

  it('WSM-2 ends when it is not wanted any more, before and during', async () => {
    const reason = new Error('not any more')
    await expect(instrumentInThread(task([]), {}, AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const running = instrumentInThread(MODULE, {}, controller.signal)
    controller.abort(reason)
    await expect(running).rejects.toBe(reason)
  })

  it('WSM-2 has memory for what takes most of it: elements by the million', async () => {
    const out = new ByteWriter().bytes([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    out.bytes([1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 4, 4, 1, 0x70, 0, 1, 5, 4, 1, 1, 1, 1])
    out.section(7, new ByteWriter().u8(2).name('memory').bytes([2, 0]).name('run').bytes([0, 0]).view())
    const segments = new ByteWriter().u32(16)
    const zeros = new Uint8Array(LIMITS.elementItems)
    for (let index = 0; index < 16; index++) segments.bytes([1, 0]).u32(LIMITS.elementItems).bytes(zeros)
    out.section(9, segments.view()).bytes([10, 4, 1, 2, 0, 0x0b])
    const { admission } = await instrumentInThread(out.view().slice())
    expect(admission.entry).toBe('run')
  })
})
