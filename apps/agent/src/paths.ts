import { join } from 'node:path'
import { AskeeError } from '@askee/core'

/** Longest path of a unix socket that every system takes (sockaddr_un holds 104 bytes on macOS, 108 on Linux). */
const MAX_SOCKET_PATH = 103

/** Where things stand in a data directory. */
export function agentPaths(dataDirectory: string, controlSocket?: string) {
  const socket = controlSocket ?? join(dataDirectory, 'control.sock')
  if (process.platform !== 'win32' && Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    throw new AskeeError(
      'agent/socket-path',
      `${socket} is longer than the ${MAX_SOCKET_PATH} bytes that a socket's path may have. Choose a shorter one with --control.`,
    )
  }
  return {
    directory: dataDirectory,
    ...keyPaths(join(dataDirectory, 'keys')),
    generations: join(dataDirectory, 'generations'),
    compiled: join(dataDirectory, 'compiled'),
    audit: join(dataDirectory, 'audit.db'),
    witness: join(dataDirectory, 'witness.db'),
    consents: join(dataDirectory, 'consents.db'),
    journal: join(dataDirectory, 'compute.db'),
    ledger: join(dataDirectory, 'credit.db'),
    blocks: join(dataDirectory, 'blocks'),
    peers: join(dataDirectory, 'peers'),
    socket,
  }
}

/** Where the keys stand in their folder. */
export function keyPaths(keys: string) {
  return {
    keys,
    deviceKey: join(keys, 'device.key'),
    passphraseKey: join(keys, 'device.passphrase'),
    secrets: join(keys, 'secrets'),
    storeKey: join(keys, 'store.key'),
    // Of versions that kept seeds in clear.
    rawNodeKey: join(keys, 'node.key'),
    rawOwnerKey: join(keys, 'owner.key'),
  }
}

export type AgentPaths = ReturnType<typeof agentPaths>
