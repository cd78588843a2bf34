/** The keys of a node: their lives, how others learn of them, and how they learn that one is void. */
export type { KeyRecord, RevocationReason } from './chain.ts'
export {
  type KeyBundle,
  type KeyRevocation,
  kidOf,
  signKeyBundle,
  signKeyRevocation,
  verifyKeyBundle,
  verifyKeyRevocation,
} from './documents.ts'
export {
  createKeyExchange,
  KEY_DOCUMENTS_PROTOCOL,
  type KeyExchange,
  type KeyExchangeComponents,
} from './exchange.ts'
export {
  createKeyRing,
  type KeyAnnouncer,
  type KeyRing,
  type KeyRingComponents,
  type KeyRingInit,
} from './key-ring.ts'
export { createPeerKeys, type PeerKeyErrorCode, type PeerKeys } from './peer-keys.ts'
export { restartChains } from './restart.ts'
export {
  createRevocationRecords,
  type RevocationRecords,
  type RevocationRecordsComponents,
} from './revocation-records.ts'
export { type KeyState, TRANSITIONS } from './states.ts'
export { KEYS_TOPIC, keyTopics } from './topic.ts'
export {
  CHAIN_USES,
  type ChainUse,
  KEY_USES,
  type KeyUse,
  ROTATION_POLICIES,
  type RotationPolicy,
  type SealingUse,
} from './uses.ts'
