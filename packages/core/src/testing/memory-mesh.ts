import { systemClock, systemTimers } from '../adapters/system.ts'
import { AskeeError } from '../errors.ts'
import type { Digest, Milliseconds, NodeId } from '../ids.ts'
import type { BlockStore } from '../ports/blocks.ts'
import type { Clock } from '../ports/clock.ts'
import type { Mesh, TopicName, TopicRules } from '../ports/mesh.ts'
import type { Timers } from '../ports/timers.ts'
import { MemoryMeshNode } from './memory-mesh-node.ts'

export interface MemoryMeshInit {
  /** Default: the machine's timers. Pass VirtualTime for reproducible time. */
  readonly timers?: Timers
  readonly clock?: Clock
  /** One-way delay of a message. Default none: the next microtask. */
  readonly latency?: (from: NodeId, to: NodeId) => Milliseconds
}

export interface MemoryMeshNodeInit {
  readonly topics: ReadonlyMap<TopicName, TopicRules>
  /** Default: a store of its own in memory. */
  readonly blocks?: BlockStore
  /** Whether a peer is given a block; refused ones are told that it is not here. Default: everybody may. */
  readonly mayFetch?: (peer: NodeId, digest: Digest) => boolean
}

/** What travels: a rule for losing messages can tell them apart. */
export type MemoryMessageKind = 'request' | 'response' | 'gossip' | 'record'

/** Whether a message is lost. */
export type MemoryDropRule = (from: NodeId, to: NodeId, kind: MemoryMessageKind) => boolean

/**
 * A network in one process. Every started node is connected to every other that it can reach; a message is
 * copied, and delivered after the current task. Ids are opaque texts; nothing is signed, because a node can
 * only speak as itself.
 */
export interface MemoryMeshNetwork {
  /** A node that is not started yet. @throws AskeeError `mesh/refused` when the id is taken */
  node(id: NodeId, init: MemoryMeshNodeInit): Mesh
  /** Nodes in different groups cannot reach each other any more; nodes in no group form one more. */
  partition(...groups: readonly (readonly NodeId[])[]): void
  /** Ends the partition. */
  heal(): void
  /** Loses the messages for which `rule` says so, silently; the returned function ends it. */
  drop(rule: MemoryDropRule): () => void
}

/** What a node needs of the network. */
export interface MemoryFabric {
  readonly timers: Timers
  readonly clock: Clock
  /** Nodes that `from` can reach now. */
  reachable(from: NodeId): MemoryMeshNode[]
  /** The node, when started and reachable. */
  find(from: NodeId, to: NodeId): MemoryMeshNode | undefined
  /** Runs `arrive` at the receiver later, unless the message is lost. */
  send(from: NodeId, to: NodeId, kind: MemoryMessageKind, arrive: () => void): void
  /** Tells everyone that reachability has changed. */
  changed(): void
}

/** See MemoryMeshNetwork. */
export function createMemoryMeshNetwork(init: MemoryMeshInit = {}): MemoryMeshNetwork {
  const nodes = new Map<NodeId, MemoryMeshNode>()
  const rules = new Set<MemoryDropRule>()
  let side = new Map<NodeId, number>()

  const connected = (a: NodeId, b: NodeId): boolean => side.get(a) === side.get(b)
  const find = (from: NodeId, to: NodeId): MemoryMeshNode | undefined => {
    const node = nodes.get(to)
    return node?.started && nodes.get(from)?.started && connected(from, to) ? node : undefined
  }
  const fabric: MemoryFabric = {
    timers: init.timers ?? systemTimers,
    clock: init.clock ?? systemClock,
    find,
    reachable: (from) =>
      [...nodes.values()].filter((node) => node.self !== from && find(from, node.self) === node),
    send(from, to, kind, arrive) {
      for (const lost of rules) if (lost(from, to, kind)) return
      const deliver = (): void => {
        if (from === to || find(from, to) !== undefined) arrive()
      }
      const delay = init.latency?.(from, to) ?? 0
      if (delay > 0) fabric.timers.after(delay, deliver)
      else queueMicrotask(deliver)
    },
    changed: () => {
      for (const node of nodes.values()) node.refreshPeers()
    },
  }

  return {
    node(id, nodeInit) {
      if (nodes.get(id)?.started) throw new AskeeError('mesh/refused', `the id ${id} is taken`)
      const node = new MemoryMeshNode(id, nodeInit, fabric)
      nodes.set(id, node)
      return node
    },
    partition(...groups) {
      side = new Map(groups.flatMap((group, index) => group.map((id): [NodeId, number] => [id, index + 1])))
      fabric.changed()
    },
    heal() {
      side = new Map()
      fabric.changed()
    },
    drop(rule) {
      rules.add(rule)
      return () => rules.delete(rule)
    },
  }
}
