import type { NodeId } from '@askee/core'
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Offences } from './offences.ts'
import { mayBePrivate } from './special-addresses.ts'

/** Addresses and peers trusted at most: a hostile host on the own network can announce any number. */
const MAX_TRUSTED = 1024

/** Which private addresses and names a public node may use after all. */
export class TrustedAddresses {
  readonly #addresses = new Set<string>()
  readonly #peers = new Set<string>()

  /** An address that the person or the configuration named. */
  addAddress(address: Multiaddr): void {
    addCapped(this.#addresses, withoutPeer(address))
  }

  /** A peer that multicast found on the own network. */
  addPeer(peer: PeerId): void {
    addCapped(this.#peers, peer.toString())
  }

  allows(address: Multiaddr, peer: string | undefined): boolean {
    return this.#addresses.has(withoutPeer(address)) || (peer !== undefined && this.#peers.has(peer))
  }
}

/**
 * Keeps blocked peers out, and in a public network private addresses and DNS names too: a stranger must not make us
 * probe the home network (js-libp2p's default gater allows everything). A `/dnsaddr` that the person named must
 * resolve to IP addresses.
 */
export function connectionGater(
  network: 'local' | 'public',
  offences: Offences,
  trusted: TrustedAddresses,
): ConnectionGater {
  const blocked = (peer: PeerId): boolean => offences.isBlocked(peer.toString() as NodeId)
  const unwanted = (address: Multiaddr, peer: string | undefined): boolean =>
    network === 'public' && mayBePrivate(address) && !trusted.allows(address, peer)
  return {
    denyDialPeer: blocked,
    denyDialMultiaddr: (address) => unwanted(address, peerOf(address)),
    denyInboundEncryptedConnection: blocked,
    denyInboundRelayReservation: blocked,
    denyInboundRelayedConnection: (_relay, remote) => blocked(remote),
    // Despite its name this one says what to keep.
    filterMultiaddrForPeer: (peer, address) => !unwanted(address, peer.toString()),
  }
}

function peerOf(address: Multiaddr): string | undefined {
  return address
    .getComponents()
    .filter((component) => component.name === 'p2p')
    .at(-1)?.value
}

/** What is dialled: an address behind a relay is as good as the relay's. */
function withoutPeer(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+(\/p2p-circuit(\/p2p\/[^/]+)?)?$/, '')
}

function addCapped(set: Set<string>, entry: string): void {
  set.add(entry)
  if (set.size > MAX_TRUSTED) set.delete(set.values().next().value as string)
}
