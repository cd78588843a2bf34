import type { Milliseconds, NodeId } from '@askee/core'
import type { ConsentClaims } from '../token/claims.ts'

/** Looks of one node that wait; beyond them a token is looked for when it is shown again. */
const WAITING_OF_NODE = 64
/** Looks that wait, of nodes known from before, and as many of others. */
const WAITING = 4096
/** Turns that nobody takes who shows a first token, so that others never wait for all of theirs. */
const KEPT_FREE = 2
/** Nodes whose looks are remembered, and of each the tokens; what is forgotten is looked for once more. */
const NODES = 4096
const TOKENS_OF_NODE = 64

/** `known`: the token was looked for before. */
export type Standing = 'known' | 'new'

/** Those who wait, one after the other of each node: whoever asks for much waits behind himself. */
class Queue {
  readonly #byNode = new Map<NodeId, (() => void)[]>()
  #length = 0

  /** False when there is no place. */
  add(node: NodeId, begin: () => void): boolean {
    const own = this.#byNode.get(node) ?? []
    if (this.#length >= WAITING || own.length >= WAITING_OF_NODE) return false
    own.push(begin)
    this.#byNode.set(node, own)
    this.#length++
    return true
  }

  next(): (() => void) | undefined {
    const [first] = this.#byNode
    if (first === undefined) return undefined
    const [node, own] = first
    const begin = own.shift()
    this.#length--
    this.#byNode.delete(node)
    if (own.length > 0) this.#byNode.set(node, own)
    return begin
  }
}

/** A number of turns, given to those known from before first, and node by node. */
export class Turns {
  readonly #most: number
  readonly #known = new Queue()
  readonly #new = new Queue()
  #underWay = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Resolves with a turn, which `pass` hands on; undefined when too many wait. */
  take(node: NodeId, standing: Standing): Promise<void> | undefined {
    const queue = standing === 'known' ? this.#known : this.#new
    let begin = (): void => {}
    const turn = new Promise<void>((resolve) => {
      begin = resolve
    })
    if (!queue.add(node, begin)) return undefined
    this.#next()
    return turn
  }

  pass(): void {
    this.#underWay--
    this.#next()
  }

  #next(): void {
    while (this.#underWay < this.#most) {
      const isLast = this.#underWay >= this.#most - KEPT_FREE
      const begin = this.#known.next() ?? (isLast ? undefined : this.#new.next())
      if (begin === undefined) return
      this.#underWay++
      begin()
    }
  }
}

type Shown = Pick<ConsentClaims, 'issuer' | 'id' | 'subject'>

/** When tokens were looked for. Of each node apart: what one shows makes nobody forget what another showed. */
export class LookedFor {
  readonly #byNode = new Map<NodeId, Map<string, Milliseconds>>()

  /** Monotonic time, or undefined. */
  at({ issuer, id, subject }: Shown): Milliseconds | undefined {
    return this.#byNode.get(subject)?.get(`${issuer} ${id}`)
  }

  note({ issuer, id, subject }: Shown, now: Milliseconds): void {
    const own = this.#byNode.get(subject) ?? new Map<string, Milliseconds>()
    this.#byNode.delete(subject)
    this.#byNode.set(subject, own)
    // Ids are the issuer's choice: another's token of the same id is another token.
    const key = `${issuer} ${id}`
    own.delete(key)
    own.set(key, now)
    dropFirst(own, TOKENS_OF_NODE)
    dropFirst(this.#byNode, NODES)
  }
}

function dropFirst(map: Map<unknown, unknown>, most: number): void {
  if (map.size > most) map.delete(map.keys().next().value)
}
