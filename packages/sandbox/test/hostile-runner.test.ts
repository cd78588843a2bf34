import type { Fuel } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { sealCheckpoint } from '../src/checkpoint.ts'
import { encodeFrame, type FrameName } from '../src/frames.ts'
import { readModuleShape } from '../src/module-shape.ts'
import { WardenProcess } from '../src/native/warden-process.ts'
import { PortableProcess } from '../src/portable/portable-process.ts'
import { RunnerProcess } from '../src/portable/runner-process.ts'
import { startRunner } from '../src/portable/runner-start.ts'
import { SparePool } from '../src/spare-pool.ts'
import { TaskExecution } from '../src/task-execution.ts'
import { countedTask, requestOf, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { fakeWarden, forgetFakeWardens, said } from './support/fake-warden.ts'

/** A runner that an attacker has taken over: says hello, then whatever `script` says. */
function hostile(script: string): string[] {
  const hello = Buffer.from(encodeFrame('hello', Buffer.from([1, 0, ...Buffer.from('evil')]))).toString('hex')
  const code = `
    const fs = require('node:fs')
    const say = (hex) => fs.writeSync(1, Buffer.from(hex, 'hex'))
    say('${hello}')
    fs.readSync(0, Buffer.alloc(8))
    ${script}
    setInterval(() => {}, 1000)`
  return ['-e', code]
}

function poolOf(args: string[], startTimeout = 5000): SparePool<RunnerProcess> {
  const command = { file: process.execPath, args, niceness: 0 }
  return new SparePool(components.timers, {
    launch: () => startRunner(components.timers, { command, configuration: 'evil', startTimeout }),
    spares: 0,
    spareIdle: 1000,
  })
}

async function outcomeWith(script: string, wallTime = 5000): Promise<string> {
  const module = await countedTask('')
  const request = requestOf(module, { limits: { wallTime, fuel: 100n as Fuel } })
  const shape = readModuleShape(module)
  const runner = await poolOf(hostile(script)).acquire('')
  const execution = new TaskExecution(components, {
    process: new PortableProcess(components.timers, runner, 2 ** 32),
    request,
    shape,
    bounds: { ...shape, fuel: 100n, outputBytes: request.limits.outputBytes },
    state: null,
  })
  execution.begin()
  const outcome = await execution.outcome
  await runner.exited
  return told(outcome)
}

const hex = (name: FrameName, payload = new Uint8Array(0)) =>
  Buffer.from(encodeFrame(name, payload)).toString('hex')

/** RESULT with trap code, fuel, and output of a length. */
function result(trap: number, fuel: bigint, outputLength: number): string {
  const payload = Buffer.alloc(25 + outputLength)
  payload[0] = trap
  payload.writeBigUInt64LE(fuel, 1)
  return hex('result', payload)
}

describe('a runner that breaks the rules', () => {
  it('SBX-4 is killed as fault/engine, and the agent lives', async () => {
    const scripts = [
      `say('00112233445566778899')`,
      `say('${hex('hello')}')`,
      `say('${hex('go')}')`,
      `say('${hex('progress')}')`,
      `say('${hex('checkpoint', new Uint8Array(50))}')`,
      `say('${result(11, 1n, 0)}')`,
      `say('${result(0, 101n, 0)}')`,
      `say('${result(0, 1n, 2049)}')`,
      `say('${hex('fault', Uint8Array.of(77))}')`,
      `for (;;) say('${hex('log', new Uint8Array(1))}')`,
      `for (;;) say('${hex('progress', new Uint8Array(24))}'.repeat(50))`,
    ]
    const outcomes = await Promise.all(scripts.map((script) => outcomeWith(script)))
    expect(outcomes).toEqual(scripts.map(() => 'fault/engine'))
  })

  it('SBX-4 ends its task and not the agent when there is no room for what it says', async () => {
    const warden = await fakeWarden(`say('${said('report', '{"tier":"process","layers":[]}')}');
      say('${said('runner', encodeFrame('hello', Buffer.from('\u0001\u0000evil')))}')`)
    const command = { file: process.execPath, args: hostile(''), niceness: 0 }
    const starts = [() => new WardenProcess(components.timers, warden, ''), () => new RunnerProcess(command)]
    for (const start of starts) {
      const runner = start()
      const fault = await new Promise<string>((resolve) => {
        const onFrame = () => {
          // What V8 throws then.
          throw new RangeError('Array buffer allocation failed')
        }
        runner.listen({ onFrame, onFault: (code, message) => resolve(`${code} ${message}`) })
      })
      expect(fault).toBe('fault/engine RangeError: Array buffer allocation failed')
      await runner.kill()
    }
    await forgetFakeWardens()
  })

  it('SBX-4 an honest result from the same place is taken', async () => {
    expect(await outcomeWith(`say('${result(0, 100n, 2)}')`)).toBe('0000 null 100')
  })

  it('SBX-4 that dies or says nothing is a fault of this node', async () => {
    expect(await outcomeWith('process.exit(0)')).toBe('fault/child-died')
    expect(await outcomeWith('', 100)).toBe('fault/wall-time')
  })

  it('SBX-4 is not used when it does not say the right hello, in time', async () => {
    const starts = [
      poolOf([
        '-e',
        `require('node:fs').writeSync(1, Buffer.from('${hex('hello', Buffer.from('\u0001\u0000good'))}', 'hex')); setInterval(() => {}, 999)`,
      ]),
      poolOf(['-e', 'setInterval(() => {}, 999)'], 200),
      poolOf(['-e', '0']),
      poolOf(['-e', `console.log('hello, here I am')`]),
    ]
    for (const pool of starts) await expect(pool.acquire('')).rejects.toMatchObject({ code: 'sandbox/start' })
    const missing = new RunnerProcess({ file: '/no/such/program', args: [], niceness: 0 })
    await missing.exited
    expect(missing.isGone).toBe(true)
  })

  it('WSM-5 a checkpoint has one envelope, and other bytes another', async () => {
    const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)]
    expect(sealCheckpoint(a, b, a)).toEqual(sealCheckpoint(a, b, a))
    expect(sealCheckpoint(a, b, a)).not.toEqual(sealCheckpoint(b, a, a))
  })
})
