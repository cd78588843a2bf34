/** What a certificate may allow its node. */
export const CAPABILITIES = ['request', 'compute', 'relay', 'witness', 'standby', 'operate'] as const
export type Capability = (typeof CAPABILITIES)[number]

/** Node and capabilities stand as URIs among the subject's alternative names: standard tools show them. */
export const NODE_URI = 'askee:node:'
export const CAPABILITY_URI = 'askee:capability:'

const HOUR = 3_600_000
export const MIN_NODE_HOURS = 24
export const MAX_NODE_HOURS = 72
/** Clocks differ: a certificate is valid a little before it was made. */
export const BACKDATE = 5 * 60_000
export const MAX_NODE_LIFE = MAX_NODE_HOURS * HOUR + BACKDATE
/** A revoked certificate of a node is over by then, and was on a list after its end (RFC 5280, 3.3). */
export const NODE_REVOCATION_LIFE = MAX_NODE_LIFE + 24 * HOUR
/** A list older than this is no list: whoever withholds the newer one gains nothing. */
export const LIST_LIFE = 24 * HOUR
/**
 * Revoked certificates of one list at once: when it is full, those of nodes leave it that are older than
 * `NODE_REVOCATION_LIFE`. At 49 bytes each they fit `MAX_LIST_BYTES`, which every verifier takes.
 */
export const MAX_REVOKED = 20_000
export const MAX_LIST_BYTES = 1_048_576
