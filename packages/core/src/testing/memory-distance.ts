import { createHash } from 'node:crypto'
import { utf8 } from '../bytes.ts'

/** `nodes` by XOR distance of SHA-256 to the key, nearest first. */
export function byDistance<T extends { readonly self: string }>(nodes: readonly T[], key: Uint8Array): T[] {
  const hash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
  const target = hash(key)
  return nodes
    .map((node) => ({ node, distance: hash(utf8(node.self)).map((byte, i) => byte ^ (target[i] as number)) }))
    .sort((a, b) => Buffer.compare(a.distance, b.distance))
    .map(({ node }) => node)
}
