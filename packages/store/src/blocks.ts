import type { BlockStore } from '@askee/core'

export interface BlockStoreInit {
  readonly directory: string
  readonly maxBytes: number
}
export declare function createBlockStore(init: BlockStoreInit): Promise<BlockStore>
