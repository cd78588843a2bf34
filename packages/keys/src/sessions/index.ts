/**
 * Sessions: conversations of many messages. Opened by one signed envelope each way; then each message is sealed under keys of
 * the session, with a signed checkpoint from time to time, so that whoever stole those keys alone is found out.
 */
export { type SealedMeshComponents, type SealedMeshInit, sealedMesh } from './sealed-mesh.ts'
export type { OpenedFrame, Session, SessionErrorCode } from './session.ts'
export {
  type ConversationRules,
  createSessions,
  type Sessions,
  type SessionsComponents,
  type SessionsInit,
} from './sessions.ts'
