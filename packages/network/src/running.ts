import { AskeeError, errorText, type NodeId } from '@askee/core'
import type { PeerInfo } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Blocks } from './blocks/fetching.ts'
import { BLOCK_LIMITS, BLOCK_PROTOCOL } from './blocks/protocol.ts'
import { BlockServing } from './blocks/serving.ts'
import { closestPeers } from './closest.ts'
import { withDeadline } from './deadline.ts'
import {
  DEFAULT_LISTEN,
  DIAL_TIMEOUT_MS,
  KEEPING_PERIOD_MS,
  MINIMUM_PEERS,
  PEER_MEMORY_FIRST_DELAY_MS,
  PEER_MEMORY_WRITE_DELAY_MS,
} from './defaults.ts'
import { dialError } from './errors.ts'
import { connectionGater, TrustedAddresses } from './gater.ts'
import type { Gossip } from './gossip.ts'
import type { Libp2pMeshComponents, Libp2pMeshInit } from './init.ts'
import { KnownPeers } from './known-peers.ts'
import { type AskeeNode, createNode } from './libp2p-node.ts'
import { ListeningPorts } from './listening-ports.ts'
import { clearUp } from './memory-file.ts'
import { hearOfPeers, limitNames } from './more-peers.ts'
import type { Offences } from './offences.ts'
import { PeerMemory } from './peer-memory.ts'
import { PeerKeeping } from './peers.ts'
import { GuardedDatastore } from './records/guarded-datastore.ts'
import { storeRecord } from './records/put.ts'
import { Records } from './records/records.ts'
import { limitSenders } from './records/senders.ts'
import { RecordUpkeep } from './records/upkeep.ts'
import { Requests } from './requests/requests.ts'
import type { Serving } from './requests/serving.ts'

/** What outlives a stop: handlers, listeners and offences. */
export interface Surroundings {
  readonly components: Libp2pMeshComponents
  readonly init: Libp2pMeshInit
  readonly serving: Serving
  readonly offences: Offences
  readonly gossip: Gossip
  readonly onPeer: (peer: NodeId, state: 'connected' | 'disconnected') => void
}

/** Everything of a started mesh. */
export interface RunningMesh {
  readonly node: AskeeNode
  readonly requests: Requests
  readonly records: Records
  readonly blocks: Blocks
  readonly upkeep: RecordUpkeep
  closestPeers(key: Uint8Array, count: number, signal: AbortSignal | undefined): Promise<NodeId[]>
  dial(address: string, signal: AbortSignal | undefined): Promise<NodeId>
  stop(): Promise<void>
}

/** Builds and starts the parts in order; on failure those already started are stopped. */
export async function startMesh(around: Surroundings, signal?: AbortSignal): Promise<RunningMesh> {
  const { components, init, serving, offences, gossip } = around
  const { identity, blocks: blockStore, clock, timers, random, logger } = components
  const stops: (() => unknown)[] = []
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) {
      await Promise.resolve()
        .then(end)
        .catch((error: unknown) => logger.warn({ error: errorText(error) }, 'a part did not stop cleanly'))
    }
  }
  try {
    const trusted = new TrustedAddresses()
    const bootstrap = (init.bootstrap ?? []).map((address) => multiaddr(address))
    for (const address of bootstrap) trusted.addAddress(address)
    const known = new KnownPeers(identity.id)
    const datastore = new GuardedDatastore(clock, identity.id, known)
    if (init.memory !== undefined) await clearUp(init.memory)
    const memory = init.memory === undefined ? undefined : new PeerMemory(init.memory, known, random, logger)
    const ownRecords = (await memory?.load(datastore)) ?? []
    const ports = init.memory === undefined ? undefined : new ListeningPorts(init.memory, random, logger)
    const listen = init.listen ?? DEFAULT_LISTEN
    let multicastFound: (peer: PeerInfo) => void = () => {}
    const node = await createNode(
      {
        identity,
        clock,
        datastore,
        gater: connectionGater(init.network, offences, trusted),
        topics: init.topics,
        onMulticast: (peer) => {
          trusted.addPeer(peer.id)
          multicastFound(peer)
        },
      },
      { ...init, listen: (await ports?.restore(listen)) ?? listen },
    )
    limitSenders(node.services.dht, offences, clock)
    limitNames(node.services.dht)
    const upkeep = new RecordUpkeep({
      datastore,
      clock,
      timers,
      random,
      logger,
      put: (key, bytes) =>
        withDeadline(timers, DIAL_TIMEOUT_MS, undefined, (limit) =>
          storeRecord(node.services.dht, key, bytes, limit),
        ),
    })
    upkeep.restore(ownRecords)
    const records = new Records({ identity, dht: node.services.dht, clock, timers, upkeep })
    const requests = new Requests(identity.id, node, serving, offences, timers)
    const blocks = new Blocks({
      blocks: blockStore,
      offences,
      clock,
      timers,
      logger,
      request: (to, body, options) => requests.request(to, BLOCK_PROTOCOL, body, options),
    })
    const blockServing = new BlockServing({
      blocks: blockStore,
      offences,
      clock,
      mayFetch: init.mayFetch ?? (() => true),
      ...(init.paceServing === undefined ? {} : { pace: init.paceServing }),
    })
    const keeping = new PeerKeeping(
      {
        libp2p: node,
        known,
        clock,
        timers,
        random,
        logger,
        ping: (peer, limit) => node.services.ping.ping(peer, { signal: limit }),
        hearOfPeers: () => hearOfPeers(node.services.dht, node.getPeers(), { random, timers }),
      },
      {
        bootstrap,
        minimumPeers: init.minimumPeers ?? MINIMUM_PEERS,
        period: init.keepingPeriod ?? KEEPING_PERIOD_MS,
      },
    )
    const save = saver(async () => memory?.save(datastore, upkeep.own()), timers, logger)

    multicastFound = (peer) => {
      if (node.getConnections(peer.id).length > 0) return
      void node.peerStore
        .merge(peer.id, { multiaddrs: peer.multiaddrs })
        .then(() => node.dial(peer.id))
        .catch((error: unknown) =>
          logger.debug({ error: errorText(error) }, 'a multicast peer does not answer'),
        )
    }
    offences.onBlock((peer) => void node.hangUp(peerIdFromString(peer)).catch(() => undefined))
    node.addEventListener('peer:connect', ({ detail }) =>
      around.onPeer(detail.toString() as NodeId, 'connected'),
    )
    node.addEventListener('peer:disconnect', ({ detail }) =>
      around.onPeer(detail.toString() as NodeId, 'disconnected'),
    )
    node.addEventListener('peer:identify', ({ detail: { peerId, connection } }) => {
      if (connection.direction === 'outbound') known.reached(peerId, clock.now())
      save.soon()
    })

    signal?.throwIfAborted()
    stops.push(() => node.stop())
    await node.start()
    await ports?.save(node.services.listening.addresses())
    stops.push(() => gossip.stop())
    gossip.start(node.services.pubsub)
    stops.push(
      serving.handle(BLOCK_PROTOCOL, BLOCK_LIMITS, ({ from, body, signal }) =>
        blockServing.serve(from, body, signal),
      ),
    )
    stops.push(() => requests.stop())
    await requests.start()
    stops.push(() => save.now())
    stops.push(() => upkeep.stop())
    upkeep.start()
    stops.push(() => keeping.stop())
    keeping.start()
    signal?.throwIfAborted()

    return {
      node,
      requests,
      records,
      blocks,
      upkeep,
      closestPeers: (key, count, limit) => closestPeers(node.services.dht, timers, key, count, limit),
      async dial(address, dialSignal) {
        try {
          const target = multiaddr(address)
          trusted.addAddress(target)
          const connection = await withDeadline(timers, DIAL_TIMEOUT_MS, dialSignal, (limit) =>
            node.dial(target, { signal: limit }),
          )
          await keeping.keep(connection.remotePeer)
          return connection.remotePeer.toString() as NodeId
        } catch (error) {
          dialSignal?.throwIfAborted()
          throw error instanceof AskeeError && error.code === 'mesh/timeout'
            ? new AskeeError('mesh/unreachable', `${address} does not answer`)
            : dialError(address, error)
        }
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Saver {
  soon(): void
  now(): Promise<void>
}

/** Writes the first change soon, more only once in a while, and the last at the end. */
function saver(
  write: () => Promise<void>,
  timers: Libp2pMeshComponents['timers'],
  logger: Libp2pMeshComponents['logger'],
): Saver {
  let cancel: (() => void) | undefined
  let writing = Promise.resolve()
  let delay = PEER_MEMORY_FIRST_DELAY_MS
  const now = (): Promise<void> => {
    cancel?.()
    cancel = undefined
    delay = PEER_MEMORY_WRITE_DELAY_MS
    writing = writing.then(write).catch((error: unknown) => {
      logger.warn({ error: errorText(error) }, 'peers could not be written to disk')
    })
    return writing
  }
  return {
    soon() {
      cancel ??= timers.after(delay, () => void now())
    },
    now,
  }
}
