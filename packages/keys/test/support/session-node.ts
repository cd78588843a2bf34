import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Clock,
  type Logger,
  type Mesh,
  type NodeId,
  type ProtocolName,
  systemRandom as random,
  silentLogger,
  type Timers,
  type TopicName,
  type TopicRules,
} from '@askee/core'
import { afterAll } from 'vitest'
import {
  type Conversations,
  createIdentity,
  createKeyExchange,
  createKeyRing,
  createOpener,
  createPeerKeys,
  createSealer,
  createSessions,
  type Identity,
  type KeyExchange,
  type KeyRing,
  keyTopics,
  openConversations,
  openKeyStore,
  openSoftwareDeviceKey,
  type PeerKeys,
  type Sessions,
  type SessionsInit,
  sealedMesh,
} from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-sessions-'))
afterAll(() => rmSync(folder, { recursive: true }))

export const TALK: ProtocolName = '/askee/test/talk/1'
export const LIMITS = {
  maxRequestBytes: 65_536,
  maxResponseBytes: 65_536,
  ratePerSecond: 10_000,
  burst: 10_000,
  concurrency: 1_000,
}

export interface SessionNode {
  readonly id: NodeId
  readonly identity: Identity
  /** What others put on the wire is seen here. */
  readonly mesh: Mesh
  readonly sealed: Mesh
  readonly ring: KeyRing
  readonly exchange: KeyExchange
  readonly peerKeys: PeerKeys
  readonly sessions: Sessions
  readonly conversations: Conversations
  stop(): Promise<void>
}

export interface SessionNodeInit {
  readonly sessions?: Partial<SessionsInit>
  readonly critical?: readonly string[]
  readonly owner?: Identity
  readonly logger?: Logger
  readonly isKnown?: (peer: NodeId) => boolean
  /** Between the sealing and the wire. */
  wrap?(mesh: Mesh): Mesh
}

/** A node with all that sealed conversations need, over any mesh. */
export async function sessionNode(
  parts: Clock & Timers,
  makeMesh: (identity: Identity, topics: ReadonlyMap<TopicName, TopicRules>) => Mesh,
  { wrap = (mesh) => mesh, owner, critical = [], isKnown = () => false, ...init }: SessionNodeInit = {},
): Promise<SessionNode> {
  const [clock, timers, logger] = [parts, parts, init.logger ?? silentLogger]
  const identity = createIdentity(random)
  const directory = join(folder, identity.id)
  const deviceKey = await openSoftwareDeviceKey({ path: `${directory}.key`, random })
  const store = await openKeyStore({ directory, deviceKey, random })
  const mesh = wrap(makeMesh(identity, keyTopics(clock)))
  const peerKeys = createPeerKeys(clock)
  const exchange: KeyExchange = createKeyExchange({
    mesh,
    peerKeys,
    documents: () => ring.documents(),
    logger,
  })
  const ring: KeyRing = createKeyRing({ identity, store, clock, timers, random, logger, announcer: exchange })
  const sealer = createSealer({
    identity,
    clock,
    random,
    recipientKey: (to, use) => exchange.current(to, use),
  })
  const opener = createOpener({ self: identity.id, clock, keyRing: ring, peerKeys })
  const sessions = createSessions(
    {
      mesh,
      identity,
      clock,
      timers,
      random,
      logger,
      sealer,
      keyRing: ring,
      peerKeys,
      exchange,
      conversations: () => conversations,
      isKnown,
    },
    { conversations: [{ conv: 'test', window: 64 }], ...init.sessions },
  )
  await mesh.start()
  await exchange.start()
  await ring.start()
  const conversations = await openConversations(
    { sealer, opener, keyRing: ring, store, clock, onFreeze: () => sessions.endAll('mode') },
    { self: identity.id, enterBy: [(owner ?? identity).id], leaveBy: [(owner ?? identity).id], critical },
  )
  await sessions.start()
  return {
    id: identity.id,
    identity,
    mesh,
    sealed: sealedMesh({ mesh, sessions, clock, timers }, { conv: 'test', protocols: [TALK] }),
    ring,
    exchange,
    peerKeys,
    sessions,
    conversations,
    async stop() {
      await sessions.stop()
      await ring.stop()
      await exchange.stop()
      await mesh.stop()
    },
  }
}
