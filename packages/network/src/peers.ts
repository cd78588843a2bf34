import { networkInterfaces } from 'node:os'
import {
  type Clock,
  errorText,
  type Logger,
  type Milliseconds,
  type Random,
  shuffled,
  type Timers,
} from '@askee/core'
import { KEEP_ALIVE, type Libp2p, type PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { withDeadline } from './deadline.ts'
import {
  DIAL_TIMEOUT_MS,
  MAX_REMEMBERED_PEERS,
  REDIAL_BASE_MS,
  REDIAL_MAX_MS,
  REDIALS_PER_ROUND,
  SLEEP_GAP_MS,
  WAKE_PING_TIMEOUT_MS,
} from './defaults.ts'
import { type KnownPeers, peerOf } from './known-peers.ts'

/** Marks peers that were asked for by address: never pruned, always dialled again. */
const KEPT_TAG = `${KEEP_ALIVE}-askee`

export interface PeerKeepingInit {
  readonly bootstrap: readonly Multiaddr[]
  readonly minimumPeers: number
  readonly period: Milliseconds
}

export interface PeerKeepingComponents {
  readonly libp2p: Libp2p
  readonly known: KnownPeers
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Sends a ping and waits for its answer. */
  readonly ping: (peer: PeerId, signal: AbortSignal) => Promise<unknown>
  /** Has a connected peer name others. */
  readonly hearOfPeers: () => Promise<void>
}

/** Entries looked at in one round at most; others come up in the next, because the order is random. */
const LOOKUPS_PER_ROUND = 100

interface Backoff {
  failures: number
  /** Monotonic time before which there is no other try. */
  notBefore: number
}

/**
 * Finds peers again: libp2p 3 has no auto-dialer. Kept peers (bootstrap, dialled by hand) are dialled until
 * they answer; other remembered ones while there are fewer than `minimumPeers`, and connected ones are asked for more where
 * too few are remembered: with one peer alone a node hears what that one passes on, which is not all. After sleep or a change of
 * the machine's addresses dead connections are found by a ping and everything is tried at once.
 */
export class PeerKeeping {
  readonly #init: PeerKeepingInit
  readonly #components: PeerKeepingComponents
  readonly #backoffs = new Map<string, Backoff>()
  readonly #asking: Backoff = { failures: 0, notBefore: 0 }
  #cancel: () => void = () => {}
  #round: Promise<void> | undefined
  #wall = 0
  #steady = 0
  #interfaces = ''

  constructor(components: PeerKeepingComponents, init: PeerKeepingInit) {
    this.#components = components
    this.#init = init
  }

  start(): void {
    const { clock, timers } = this.#components
    this.#wall = clock.now()
    this.#steady = clock.monotonic()
    this.#interfaces = interfaceAddresses()
    this.#cancel = timers.every(this.#init.period, () => this.#tick())
    this.#begin()
  }

  async stop(): Promise<void> {
    this.#cancel()
    await this.#round
  }

  /** Never prune the peer, and dial it again when it is lost. */
  async keep(peer: PeerId): Promise<void> {
    await this.#components.libp2p.peerStore.merge(peer, { tags: { [KEPT_TAG]: { value: 100 } } })
    this.#components.known.keep(peer)
  }

  #tick(): void {
    const { clock, logger } = this.#components
    const wall = clock.now() - this.#wall
    const steady = clock.monotonic() - this.#steady
    this.#wall += wall
    this.#steady += steady
    const slept = Math.max(wall, steady) > this.#init.period + SLEEP_GAP_MS
    const interfaces = interfaceAddresses()
    const moved = interfaces !== this.#interfaces
    this.#interfaces = interfaces
    if (slept || moved) {
      logger.info({ slept, moved }, 'looking for peers again')
      this.#backoffs.clear()
      this.#asking.notBefore = 0
      void this.#dropDead()
    }
    this.#begin()
  }

  #begin(): void {
    this.#round ??= this.#redial()
      .catch((error: unknown) =>
        this.#components.logger.warn({ error: errorText(error) }, 'looking for peers failed'),
      )
      .finally(() => {
        this.#round = undefined
      })
  }

  /** Connections over which the other end no longer answers. */
  async #dropDead(): Promise<void> {
    const { libp2p, timers, ping } = this.#components
    await Promise.all(
      libp2p.getPeers().map((peer) =>
        withDeadline(timers, WAKE_PING_TIMEOUT_MS, undefined, (signal) => ping(peer, signal)).catch(() => {
          for (const connection of libp2p.getConnections(peer)) {
            connection.abort(new Error('no answer after waking'))
          }
        }),
      ),
    )
    this.#begin()
  }

  async #redial(): Promise<void> {
    const { libp2p, known, clock, random } = this.#components
    if (this.#backoffs.size > 2 * MAX_REMEMBERED_PEERS) this.#backoffs.clear()
    const connected = new Set(libp2p.getPeers().map(String))
    const due = (name: string): boolean => (this.#backoffs.get(name)?.notBefore ?? 0) <= clock.monotonic()
    const bootstrap = this.#init.bootstrap.filter((address) => {
      const peer = peerIn(address)
      return due(address.toString()) && (peer === undefined || !connected.has(peer))
    })
    for (const { direction, remotePeer } of libp2p.getConnections()) {
      if (direction === 'outbound') known.reached(remotePeer, clock.now())
    }
    const named = new Set(this.#init.bootstrap.map(peerIn))
    const wanted = (peer: PeerId): boolean => {
      const name = peer.toString()
      return !connected.has(name) && !named.has(name) && due(name)
    }
    const { kept, reached, heardOf } = known.entries()
    const lost = kept.map(peerOf).filter(wanted)
    const missing = Math.max(0, this.#init.minimumPeers - connected.size - lost.length)
    // With all peers found, nothing is decoded or read.
    const others = missing === 0 ? [] : [...shuffled(reached, random), ...shuffled(heardOf, random)]
    const more = await this.#dialable(
      others.slice(0, LOOKUPS_PER_ROUND).map(peerOf).filter(wanted),
      Math.min(missing, REDIALS_PER_ROUND),
    )
    if (missing === 0) this.#asking.failures = 0
    else if (more.length < missing && connected.size > 0) await this.#askForPeers()
    const targets = [...(await this.#dialable(lost, REDIALS_PER_ROUND)), ...more]
    await Promise.all([
      ...bootstrap.slice(0, REDIALS_PER_ROUND).map((address) => this.#dial(address.toString(), address)),
      ...targets.slice(0, REDIALS_PER_ROUND).map((peer) => this.#dial(peer.toString(), peer)),
    ])
  }

  /** The next round dials whom it brings; a small network has no more, so each time after twice as long. */
  async #askForPeers(): Promise<void> {
    const { clock, hearOfPeers, logger } = this.#components
    if (clock.monotonic() < this.#asking.notBefore) return
    const wait = Math.min(REDIAL_MAX_MS, this.#init.period * 2 ** this.#asking.failures)
    this.#asking.failures++
    this.#asking.notBefore = clock.monotonic() + wait
    try {
      await hearOfPeers()
    } catch (error) {
      logger.debug({ error: errorText(error) }, 'nobody named other peers')
    }
  }

  /** The first `count` whose addresses are known. */
  async #dialable(peers: readonly PeerId[], count: number): Promise<PeerId[]> {
    const found: PeerId[] = []
    for (const peer of peers) {
      if (found.length >= count) break
      const { addresses } = await this.#components.libp2p.peerStore.get(peer).catch(() => ({ addresses: [] }))
      if (addresses.length > 0) found.push(peer)
    }
    return found
  }

  async #dial(name: string, target: PeerId | Multiaddr): Promise<void> {
    const { libp2p, timers, clock, random } = this.#components
    try {
      const connection = await withDeadline(timers, DIAL_TIMEOUT_MS, undefined, (signal) =>
        libp2p.dial(target, { signal }),
      )
      this.#backoffs.delete(name)
      if (name.startsWith('/')) await this.keep(connection.remotePeer)
    } catch (error) {
      const failures = (this.#backoffs.get(name)?.failures ?? 0) + 1
      const wait = Math.min(REDIAL_MAX_MS, REDIAL_BASE_MS * 2 ** (failures - 1))
      // Half of it at random, so that a whole network does not dial at one moment.
      const notBefore = clock.monotonic() + wait / 2 + random.below(wait / 2 + 1)
      this.#backoffs.set(name, { failures, notBefore })
      this.#components.logger.debug({ target: name, failures, error: errorText(error) }, 'a dial failed')
    }
  }
}

function peerIn(address: Multiaddr): string | undefined {
  return address
    .getComponents()
    .filter(({ name }) => name === 'p2p')
    .at(-1)?.value
}

function interfaceAddresses(): string {
  return Object.values(networkInterfaces())
    .flatMap((list) => (list ?? []).filter((entry) => !entry.internal).map((entry) => entry.address))
    .sort()
    .join()
}
