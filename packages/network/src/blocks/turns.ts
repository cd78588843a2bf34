import type { NodeId } from '@askee/core'

interface Queue {
  atOnce: number
  running: number
  readonly waiting: (() => void)[]
}

/**
 * Call while work is done that should go on by itself: from then on one request to the peer runs at a time, until none is
 * left. Resolves when no other runs.
 * @returns whether others had to end first
 * @throws the signal's reason
 */
export type GoAlone = () => Promise<boolean>

/** Lets so many requests to one peer run at a time; the others wait in order. */
export class Turns {
  readonly #atOnce: number
  readonly #queues = new Map<NodeId, Queue>()

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** @throws what `work` throws, or the signal's reason when it aborts before the turn comes */
  async run<T>(
    peer: NodeId,
    signal: AbortSignal | undefined,
    work: (goAlone: GoAlone) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    const queue = this.#queues.get(peer) ?? { atOnce: this.#atOnce, running: 0, waiting: [] }
    this.#queues.set(peer, queue)
    if (queue.running < queue.atOnce) queue.running++
    else await turn(queue, signal, 'last')
    let hasPlace = true
    const goAlone = async (): Promise<boolean> => {
      queue.atOnce = 1
      if (queue.running === 1) return false
      hasPlace = false
      queue.running--
      await turn(queue, signal, 'first')
      hasPlace = true
      return true
    }
    try {
      return await work(goAlone)
    } finally {
      if (hasPlace) this.#leave(peer, queue)
    }
  }

  #leave(peer: NodeId, queue: Queue): void {
    queue.running--
    while (queue.running < queue.atOnce) {
      const next = queue.waiting.shift()
      if (next === undefined) break
      queue.running++
      next()
    }
    if (queue.running === 0) this.#queues.delete(peer)
  }
}

/** Resolves when somebody hands its place over. */
async function turn(queue: Queue, signal: AbortSignal | undefined, place: 'first' | 'last'): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => {
    const at = queue.waiting.indexOf(resolve)
    // The place was just handed over: the work itself sees the signal, and gives the place on.
    if (at < 0) return
    queue.waiting.splice(at, 1)
    reject(signal?.reason)
  }
  if (place === 'first') queue.waiting.unshift(resolve)
  else queue.waiting.push(resolve)
  signal?.addEventListener('abort', onAbort, { once: true })
  await promise.finally(() => signal?.removeEventListener('abort', onAbort))
}
