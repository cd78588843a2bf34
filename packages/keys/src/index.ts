/**
 * All keys of a node: where they are kept, how they live and end, how others learn of it; messages that only their recipient
 * can read; and the one verifier of signatures. Certificates are an entry of their own, `@askee/keys/authority`.
 */
export * from './device-key/index.ts'
export * from './hierarchy/index.ts'
export { createIdentity, type Identity, identityFromSeed } from './identity.ts'
export * from './key-store/index.ts'
export { nodeIdFromPublicKey, publicKeyFromNodeId } from './node-id.ts'
export * from './owner-root/index.ts'
export * from './paranoid/index.ts'
export * from './sealing/index.ts'
export * from './sessions/index.ts'
export { type SignedDocument, signDocument, type VerifyErrorCode, verifyDocument } from './signed-document.ts'
export { verifySignature } from './verify.ts'
