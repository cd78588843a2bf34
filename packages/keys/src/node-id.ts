import { AskeeError, concat, type NodeId } from '@askee/core'
import { base58btc } from 'multiformats/bases/base58'

/**
 * A libp2p peer id of an Ed25519 key: identity multihash (0x00, length 36) over the protobuf
 * `PublicKey { Type = Ed25519 (1), Data = 32 bytes }` (libp2p specification "peer-ids").
 */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** @param publicKey 32 bytes */
export function nodeIdFromPublicKey(publicKey: Uint8Array): NodeId {
  if (publicKey.byteLength !== 32) {
    throw new AskeeError('keys/public-key', `expected 32 bytes, received ${publicKey.byteLength}`)
  }
  return base58btc.baseEncode(concat(PREFIX, publicKey)) as NodeId
}

/**
 * The 32-byte Ed25519 key inside a node id; anything that is not the peer id of an Ed25519 key is refused.
 * @throws AskeeError `keys/node-id`
 */
export function publicKeyFromNodeId(nodeId: string): Uint8Array {
  let bytes: Uint8Array
  try {
    if (nodeId.length > 64) throw new RangeError('too long')
    bytes = base58btc.baseDecode(nodeId)
  } catch (cause) {
    throw new AskeeError('keys/node-id', 'expected a peer id in base58btc', {}, { cause })
  }
  const fits = bytes.byteLength === PREFIX.byteLength + 32 && PREFIX.every((byte, i) => bytes[i] === byte)
  if (!fits) throw new AskeeError('keys/node-id', 'expected the peer id of an Ed25519 key (12D3KooW…)')
  return bytes.subarray(PREFIX.byteLength)
}
