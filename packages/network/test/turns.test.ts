import { AskeeError, type NodeId } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { Turns } from '../src/blocks/turns.ts'

const [a, b] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function work(turns: Turns) {
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const run = (peer: NodeId, name: string, signal?: AbortSignal): Promise<string> =>
    turns.run(peer, signal, async () => {
      started.push(name)
      const { promise, resolve } = Promise.withResolvers<void>()
      ends.set(name, resolve)
      await promise
      signal?.throwIfAborted()
      return name
    })
  return { started, run, end: (name: string) => ends.get(name)?.() }
}

describe('turns at one provider', () => {
  it('NET-5 so many run at a time, the rest in order, and peers do not wait for each other', async () => {
    const { started, run, end } = work(new Turns(2))
    const done = [run(a, '1'), run(a, '2'), run(a, '3'), run(a, '4'), run(b, '5')]
    await turn()
    expect(started).toEqual(['1', '2', '5'])
    end('2')
    await turn()
    expect(started).toEqual(['1', '2', '5', '3'])
    for (const name of ['1', '3', '5']) end(name)
    await turn()
    end('4')
    expect(await Promise.all(done)).toEqual(['1', '2', '3', '4', '5'])
  })

  it('NET-5 who gives up while waiting loses no place of others', async () => {
    const { started, run, end } = work(new Turns(1))
    const early = new AbortController()
    const first = run(a, '1')
    const gone = run(a, '2', early.signal)
    const last = run(a, '3')
    early.abort(new AskeeError('test/given-up', 'enough'))
    await expect(gone).rejects.toMatchObject({ code: 'test/given-up' })
    end('1')
    await first
    await turn()
    end('3')
    expect(await last).toBe('3')
    expect(started).toEqual(['1', '3'])
  })

  it('NET-5 who gives up in the moment the turn comes neither, however the two meet', async () => {
    for (let steps = 0; steps < 12; steps++) {
      const turns = new Turns(1)
      const late = new AbortController()
      const gate = Promise.withResolvers<void>()
      const served: string[] = []
      const first = turns.run(a, undefined, () => gate.promise)
      const handed = turns.run(a, late.signal, async () => void served.push('2')).catch(() => undefined)
      const last = ['3', '4'].map((name) => turns.run(a, undefined, async () => void served.push(name)))
      gate.resolve()
      for (let step = 0; step < steps; step++) await undefined
      late.abort(new AskeeError('test/given-up', 'enough'))
      await Promise.all([first, handed])
      await turn()
      await turn()
      expect(served.filter((name) => name !== '2')).toEqual(['3', '4'])
      await Promise.all(last)
    }
  })

  it('NET-5 one at a time from the moment that one goes on alone, until none is left; who gives up meanwhile loses no place', async () => {
    const turns = new Turns(3)
    const log: string[] = []
    const ends = new Map<string, () => void>()
    const leave = new AbortController()
    const run = (name: string, isLimited: boolean, signal?: AbortSignal): Promise<void> =>
      turns.run(a, signal, async (goAlone) => {
        log.push(name)
        if (isLimited) {
          await turn()
          log.push(`${name} alone ${await goAlone()}`)
        }
        const { promise, resolve } = Promise.withResolvers<void>()
        ends.set(name, resolve)
        await promise
      })
    const end = async (name: string): Promise<void> => {
      ends.get(name)?.()
      for (let i = 0; i < 3; i++) await turn()
    }
    const gone = run('1', true, leave.signal)
    const rest = [run('2', true), run('3', false), run('4', false), run('5', true)]
    await end('nobody')
    expect(log).toEqual(['1', '2', '3'])
    leave.abort(new AskeeError('test/given-up', 'enough'))
    await expect(gone).rejects.toMatchObject({ code: 'test/given-up' })
    await end('3')
    expect(log.slice(3)).toEqual(['2 alone true'])
    await end('2')
    expect(log.slice(4)).toEqual(['4'])
    await end('4')
    expect(log.slice(5)).toEqual(['5', '5 alone false'])
    await end('5')
    await Promise.all(rest)
    const wide = [run('6', false), run('7', false), run('8', false)]
    await turn()
    expect(log.slice(7)).toEqual(['6', '7', '8'])
    for (const name of ['6', '7', '8']) await end(name)
    await Promise.all(wide)
  })
})
