/** Fakes of the ports that `core` owns, and the suites that every adapter of them must pass. */
export { decorate } from './decorate.ts'
export * from './memory-block-store.ts'
export {
  createMemoryMeshNetwork,
  type MemoryDropRule,
  type MemoryMeshInit,
  type MemoryMeshNetwork,
  type MemoryMeshNodeInit,
  type MemoryMessageKind,
} from './memory-mesh.ts'
export { meshAcceptance } from './mesh-acceptance.ts'
export { eventually, type MeshTestNetwork, type TestFunctions } from './mesh-nodes.ts'
export * from './virtual-time.ts'
