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
  REDIAL_BASE_MS,
  REDIAL_MAX_MS,
  REDIALS_PER_ROUND,
  SLEEP_GAP_MS,
  WAKE_PING_TIMEOUT_MS,
} from './defaults.ts'

/** Marks peers that were asked for by address: never pruned, always dialled again. */
export const KEPT_TAG = `${KEEP_ALIVE}-askee`

export interface PeerKeepingInit {
  readonly bootstrap: readonly Multiaddr[]
  readonly minimumPeers: number
  readonly period: Milliseconds
}

export interface PeerKeepingComponents {
  readonly libp2p: Libp2p
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Sends a ping and waits for its answer. */
  readonly ping: (peer: PeerId, signal: AbortSignal) => Promise<unknown>
}

interface Backoff {
  failures: number
  /** Monotonic time before which there is no other try. */
  notBefore: number
}

/**
 * Finds peers again: libp2p 3 has no auto-dialer. Kept peers (bootstrap, dialled by hand) are dialled until
 * they answer; other remembered ones while there are fewer than `minimumPeers`. After sleep or a change of
 * the machine's addresses dead connections are found by a ping and everything is tried at once.
 */
export class PeerKeeping {
  readonly #init: PeerKeepingInit
  readonly #components: PeerKeepingComponents
  readonly #backoffs = new Map<string, Backoff>()
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
    const { libp2p, clock, random } = this.#components
    const connected = new Set(libp2p.getPeers().map(String))
    const due = (name: string): boolean => (this.#backoffs.get(name)?.notBefore ?? 0) <= clock.monotonic()
    const bootstrap = this.#init.bootstrap.filter((address) => {
      const peer = peerIn(address)
      return due(address.toString()) && (peer === undefined || !connected.has(peer))
    })
    const kept: PeerId[] = []
    const others: PeerId[] = []
    const named = new Set(this.#init.bootstrap.map(peerIn))
    for (const peer of await libp2p.peerStore.all()) {
      const name = peer.id.toString()
      if (connected.has(name) || named.has(name) || peer.addresses.length === 0 || !due(name)) continue
      if (peer.tags.has(KEPT_TAG)) kept.push(peer.id)
      else others.push(peer.id)
    }
    const missing = Math.max(0, this.#init.minimumPeers - connected.size - kept.length)
    const targets = [...kept, ...shuffled(others, random).slice(0, missing)]
    await Promise.all([
      ...bootstrap.slice(0, REDIALS_PER_ROUND).map((address) => this.#dial(address.toString(), address)),
      ...targets.slice(0, REDIALS_PER_ROUND).map((peer) => this.#dial(peer.toString(), peer)),
    ])
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
