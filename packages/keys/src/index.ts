/**
 * Ed25519 identities of nodes and volunteers, signed documents, and the one verifier of signatures.
 * Hierarchy, rotation and key providers build on this package later.
 */
export * from './device-key/index.ts'
export * from './hierarchy/index.ts'
export { createIdentity, type Identity, identityFromSeed } from './identity.ts'
export { loadOrCreateIdentity } from './identity-file.ts'
export * from './key-store/index.ts'
export { nodeIdFromPublicKey, publicKeyFromNodeId } from './node-id.ts'
export * from './paranoid/index.ts'
export * from './sealing/index.ts'
export { type SignedDocument, signDocument, type VerifyErrorCode, verifyDocument } from './signed-document.ts'
export { verifySignature } from './verify.ts'
