/**
 * The owner's root: a key that is kept nowhere, and that some of the owner's shares of it give back. It certifies nodes as the
 * owner's, and declares one void whose machine is lost.
 */
export {
  certifyNode,
  type IdentityVoid,
  signAdoption,
  signIdentityVoid,
  type VoidReason,
  verifyAdoption,
  verifyCertifiedNode,
  verifyIdentityVoid,
} from './documents.ts'
export {
  type CombinedRoot,
  combineOwnerRoot,
  createOwnerRoot,
  type ShareErrorCode,
  type SplitRoot,
} from './shares.ts'
export { createVoidBook, VOID_BOOK, type VoidBook, type VoidBookComponents } from './void-book.ts'
export { createVoidMemory, VOID_MEMORY, type VoidMemoryComponents } from './void-memory.ts'
export type { VoidIdentities, VoidTier } from './void-set.ts'
