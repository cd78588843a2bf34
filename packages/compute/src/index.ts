/**
 * Floor 7: replicated computation. A requester's node coordinates its own campaigns; volunteers' nodes work for those
 * they consented to help; every result is decided by a Byzantine vote after commit and reveal.
 */
export * from './api.ts'
