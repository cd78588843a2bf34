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
    deviceKey: join(dataDirectory, 'keys', 'device.key'),
    passphraseKey: join(dataDirectory, 'keys', 'device.passphrase'),
    secrets: join(dataDirectory, 'keys', 'secrets'),
    storeKey: join(dataDirectory, 'keys', 'store.key'),
    generations: join(dataDirectory, 'generations'),
    // Of versions that kept seeds in clear.
    rawNodeKey: join(dataDirectory, 'keys', 'node.key'),
    rawOwnerKey: join(dataDirectory, 'keys', 'owner.key'),
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

export type AgentPaths = ReturnType<typeof agentPaths>
