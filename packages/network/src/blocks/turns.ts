import type { NodeId } from '@askee/core'

interface Queue {
  running: number
  readonly waiting: (() => void)[]
}

/** Lets so many requests to one peer run at a time; the others wait in order. */
export class Turns {
  readonly #atOnce: number
  readonly #queues = new Map<NodeId, Queue>()

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** @throws what `work` throws, or the signal's reason when it aborts before the turn comes */
  async run<T>(peer: NodeId, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const queue = this.#queues.get(peer) ?? { running: 0, waiting: [] }
    this.#queues.set(peer, queue)
    if (queue.running < this.#atOnce) queue.running++
    else await turn(queue, signal)
    try {
      return await work()
    } finally {
      const next = queue.waiting.shift()
      if (next !== undefined) next()
      else if (--queue.running === 0) this.#queues.delete(peer)
    }
  }
}

/** Resolves when somebody hands its place over. */
async function turn(queue: Queue, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => {
    const at = queue.waiting.indexOf(resolve)
    // The place was just handed over: the work itself sees the signal, and gives the place on.
    if (at < 0) return
    queue.waiting.splice(at, 1)
    reject(signal?.reason)
  }
  queue.waiting.push(resolve)
  signal?.addEventListener('abort', onAbort, { once: true })
  await promise.finally(() => signal?.removeEventListener('abort', onAbort))
}
