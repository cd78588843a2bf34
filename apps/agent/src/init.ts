import type { ExecutorPolicy } from '@askee/sandbox'
import type { DeviceKeyChoice } from './device-key.ts'

/** Everything that makes one agent differ from another. */
export interface AgentInit {
  /** Keys, consents, journal, blocks and remembered peers; made with mode 0700 when missing. */
  readonly dataDirectory: string
  /** Multiaddrs to listen at. */
  readonly listen: readonly string[]
  /** Multiaddrs of peers to meet first, each ending in `/p2p/<id>`. */
  readonly bootstrap: readonly string[]
  /** Unix socket (or Windows pipe) of the control API. Default: `control.sock` in the data directory. */
  readonly controlSocket?: string
  /** `local` takes private addresses from peers, for a laboratory or one machine; `public` does not. */
  readonly network: 'local' | 'public'
  /** How peers nearby are found. */
  readonly localDiscovery: 'mdns' | 'off'
  /** Tasks run at once. */
  readonly slots: number
  /** Bytes of blocks kept at most. */
  readonly storageBytes: number
  /** What runs the tasks: `best` takes native containment where this machine has it. */
  readonly executor: ExecutorPolicy
  /** Where the key lives that locks all others. */
  readonly deviceKey: DeviceKeyChoice
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
}

export const DEFAULT_INIT = {
  listen: ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'],
  bootstrap: [],
  network: 'public',
  localDiscovery: 'mdns',
  slots: 1,
  storageBytes: 1024 ** 3,
  executor: 'best',
  deviceKey: { provider: 'software' },
  logLevel: 'info',
} as const satisfies Partial<AgentInit>
