/**
 * The Mesh over libp2p: requests, gossip, signed records, closest peers and blocks between nodes, with peers
 * remembered and limits on what each may cost. libp2p itself is loaded at `start`, so importing this is cheap.
 */
export type { Libp2pMesh, Libp2pMeshComponents, Libp2pMeshInit, Switch } from './init.ts'
export type { MemorySealing, MeshMemory } from './memory-file.ts'
export { createLibp2pMesh } from './mesh.ts'
