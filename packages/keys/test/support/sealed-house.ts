import { AskeeError, errorCode, fromUtf8, type Mesh, utf8 } from '@askee/core'
import { createMemoryMeshNetwork, decorate, VirtualTime } from '@askee/core/testing'
import { afterEach } from 'vitest'
import { LIMITS, type SessionNode, type SessionNodeInit, sessionNode, TALK } from './session-node.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
const nodes: SessionNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
})

/** A clock that is set wrong by so much. */
export function offset(time: VirtualTime, by: number): VirtualTime {
  return decorate(time, { now: () => time.now() + by })
}

export interface House {
  readonly time: VirtualTime
  readonly network: ReturnType<typeof createMemoryMeshNetwork>
  node(init?: SessionNodeInit & { clockOff?: number }): Promise<SessionNode>
}

export function house(): House {
  const time = new VirtualTime(1_700_000_000_000)
  const network = createMemoryMeshNetwork({ timers: time, clock: time })
  return {
    time,
    network,
    async node({ clockOff = 0, ...init } = {}) {
      const made = await sessionNode(
        offset(time, clockOff),
        ({ id }, topics) => network.node(id, { topics }),
        init,
      )
      nodes.push(made)
      return made
    },
  }
}

/** Answers with what it heard, and tells what it heard. */
export function echo(node: SessionNode): string[] {
  const heard: string[] = []
  node.sealed.handle(TALK, LIMITS, async ({ body }) => {
    const text = fromUtf8(body)
    heard.push(text)
    if (text.startsWith('no ')) throw new AskeeError(text.slice(3), 'secret reason')
    if (text === 'throw') throw new Error('secret failure')
    return utf8(`${text} heard`)
  })
  return heard
}

export function say(from: SessionNode, to: SessionNode, text: string, options = {}): Promise<string> {
  return from.sealed.request(to.id, TALK, utf8(text), options).then(fromUtf8)
}

export async function failure(promise: Promise<unknown>): Promise<{ code: string; told: unknown }> {
  return promise.then(
    () => ({ code: 'answered', told: undefined }),
    (error: unknown) => ({
      code: errorCode(error) ?? String(error),
      told: error instanceof AskeeError ? (error.details as { code?: unknown }).code : undefined,
    }),
  )
}

/** Everything that leaves a node and comes back to it, as text. */
export function tapped(seen: string[]): (mesh: Mesh) => Mesh {
  const note = (bytes: Uint8Array): void => void seen.push(Buffer.from(bytes).toString('latin1'))
  return (mesh) =>
    decorate(mesh, {
      request: async (to, protocol, body, options) => {
        note(body)
        const answer = await mesh.request(to, protocol, body, options).catch((error: unknown) => {
          seen.push(String(error))
          throw error
        })
        note(answer)
        return answer
      },
    })
}

/** What the next requests meet on the wire instead of the peer. */
export function meddler(): { wrap: (mesh: Mesh) => Mesh; next?: Mesh['request'] } {
  const one: { wrap: (mesh: Mesh) => Mesh; next?: Mesh['request'] } = {
    wrap: (mesh) =>
      decorate(mesh, {
        request: (...args) => {
          if (one.next === undefined || args[1] !== TALK) return mesh.request(...args)
          const { next } = one
          delete one.next
          return next(...args)
        },
      }),
  }
  return one
}
