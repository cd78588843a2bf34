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

  it('NET-5 who gives up loses no place of others, whenever it is', async () => {
    const { started, run, end } = work(new Turns(1))
    const [early, late] = [new AbortController(), new AbortController()]
    const first = run(a, '1')
    const gone = run(a, '2', early.signal)
    const handed = run(a, '3', late.signal)
    const last = run(a, '4')
    early.abort(new AskeeError('test/given-up', 'enough'))
    await expect(gone).rejects.toMatchObject({ code: 'test/given-up' })
    end('1')
    await first
    // The place is on its way to 3.
    late.abort(new AskeeError('test/given-up', 'enough'))
    await turn()
    end('3')
    await expect(handed).rejects.toMatchObject({ code: 'test/given-up' })
    await turn()
    end('4')
    expect(await last).toBe('4')
    expect(started.filter((name) => name !== '3')).toEqual(['1', '4'])
  })
})
