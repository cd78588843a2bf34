import { BlockList } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** IPv4 that is not the open internet (RFC 6890 and its registry): first address and prefix length. */
const SPECIAL_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/**
 * The same of IPv6, with every range that carries an IPv4 address inside: a translator on the way would take it to the
 * home network, and no node announces itself so.
 */
const SPECIAL_IPV6: readonly (readonly [string, number])[] = [
  // Unspecified, loopback, IPv4-compatible (RFC 4291) and, in ::ffff:0:0/96, IPv4-mapped.
  ['::', 80],
  // IPv4-translated (RFC 2765).
  ['::ffff:0:0:0', 96],
  // NAT64 (RFC 6052, RFC 8215).
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  // Teredo, ORCHID and other protocol assignments (RFC 2928).
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4 (RFC 3056).
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
]

// Two lists: in one, a rule of IPv6 also holds for IPv4, which Node takes for IPv4-mapped.
const ipv4 = new BlockList()
const ipv6 = new BlockList()
for (const [network, prefix] of SPECIAL_IPV4) ipv4.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of SPECIAL_IPV6) ipv6.addSubnet(network, prefix, 'ipv6')

/** Components whose meaning somebody else decides when they are dialled. */
const NAMES = new Set(['dns', 'dns4', 'dns6', 'dnsaddr', 'unix', 'memory'])

/**
 * Whether an address may lead elsewhere than to the open internet: any part of it is a special range, or a name, which
 * its owner can point at the home network at any time.
 */
export function mayBePrivate(address: Multiaddr): boolean {
  return address.getComponents().some(({ name, value }) => {
    if (name === 'ip4') return value === undefined || ipv4.check(value, 'ipv4')
    if (name === 'ip6') return value === undefined || ipv6.check(value, 'ipv6')
    return NAMES.has(name)
  })
}
