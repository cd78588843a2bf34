import type { DeviceKeyChoice } from '@askee/agent'
import type { ExecutorPolicy } from '@askee/sandbox'
import { Command, Option } from 'commander'
import { usageError } from '../exit.ts'
import { printData, printJson } from '../terminal/output.ts'
import { decimal, defaultDataDirectory, executorOption, integer, repeated } from './options.ts'

interface AgentOptions {
  data: string
  listen?: string[]
  bootstrap?: string[]
  control?: string
  network: 'local' | 'public'
  mdns: boolean
  slots: number
  storageGb: number
  executor: ExecutorPolicy
  deviceKey: 'software' | 'keychain' | 'passphrase' | 'pkcs11'
  passphraseFile?: string
  pkcs11Module?: string
  pkcs11Token?: string
  pinFile?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  lifeline?: boolean
  json?: boolean
}

/** `askee agent`: runs a node in the foreground until it is told to stop. */
export function agentCommand(): Command {
  return new Command('agent')
    .description('run a node; nothing is computed for anybody until you grant a consent')
    .option('--data <directory>', 'keys, consents, journal and blocks', defaultDataDirectory())
    .option(
      '--listen <multiaddr>',
      'address to listen at, repeatable (default: any port on all interfaces)',
      repeated,
    )
    .option('--bootstrap <multiaddr>', 'peer to meet first, ending in /p2p/<id>; repeatable', repeated)
    .option(
      '--control <socket>',
      'unix socket of the control API (default: control.sock in the data directory)',
    )
    .addOption(
      new Option('--network <kind>', 'whether private addresses of peers are taken')
        .choices(['local', 'public'])
        .default('public'),
    )
    .option('--no-mdns', 'do not look for peers on the local network')
    .option('--slots <count>', 'tasks run at once', integer(1, 256), 1)
    .option('--storage-gb <size>', 'programs and data of tasks kept at most', decimal(0.01, 100_000), 1)
    .addOption(executorOption())
    .addOption(
      new Option('--device-key <provider>', 'where the key lives that locks all others on disk')
        .choices(['software', 'keychain', 'passphrase', 'pkcs11'])
        .default('software'),
    )
    .option(
      '--passphrase-file <path>',
      'with --device-key passphrase: file whose first line is the passphrase',
    )
    .option('--pkcs11-module <path>', 'with --device-key pkcs11: library of the token')
    .option('--pkcs11-token <label>', 'with --device-key pkcs11: label of the token')
    .option('--pin-file <path>', 'with --device-key pkcs11: file whose first line is the PIN')
    .addOption(
      new Option('--log-level <level>', 'lowest level logged')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addOption(new Option('--lifeline', 'stop when standard input closes').hideHelp())
    .option('--json', 'when ready, print one object with node id, addresses and socket')
    .action(runAgent)
}

async function runAgent(options: AgentOptions): Promise<void> {
  // Nothing that this process makes is for others to read.
  process.umask(0o077)
  const { DEFAULT_INIT, startAgent } = await import('@askee/agent')
  const agent = await startAgent({
    ...DEFAULT_INIT,
    dataDirectory: options.data,
    listen: options.listen ?? DEFAULT_INIT.listen,
    bootstrap: options.bootstrap ?? [],
    ...(options.control === undefined ? {} : { controlSocket: options.control }),
    network: options.network,
    localDiscovery: options.mdns ? 'mdns' : 'off',
    slots: options.slots,
    storageBytes: Math.round(options.storageGb * 1e9),
    executor: options.executor,
    deviceKey: deviceKeyChoice(options),
    logLevel: options.logLevel,
  })
  if (options.json === true) {
    printJson({ node: agent.node, addresses: agent.mesh.addresses(), socket: agent.socket })
  } else {
    printData(`node ${agent.node}\n${agent.mesh.addresses().join('\n')}\ncontrol socket ${agent.socket}`)
  }
  await untilTold(agent.stopRequested, options.lifeline === true ? process.stdin : undefined)
  await agent.stop()
}

function deviceKeyChoice(options: AgentOptions): DeviceKeyChoice {
  const needed = (name: string, value: string | undefined): string => {
    if (value !== undefined) return value
    throw usageError(`--device-key ${options.deviceKey} needs ${name}`)
  }
  switch (options.deviceKey) {
    case 'passphrase':
      return {
        provider: 'passphrase',
        passphraseFile: needed('--passphrase-file', options.passphraseFile),
      }
    case 'pkcs11':
      return {
        provider: 'pkcs11',
        module: needed('--pkcs11-module', options.pkcs11Module),
        token: needed('--pkcs11-token', options.pkcs11Token),
        pinFile: needed('--pin-file', options.pinFile),
      }
    default:
      return { provider: options.deviceKey }
  }
}

/** Resolves on SIGINT, SIGTERM, a stop request, or the end of the lifeline. */
export async function untilTold(stopRequested: Promise<void>, lifeline?: NodeJS.ReadStream): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
    void stopRequested.then(resolve)
    lifeline?.once('end', resolve).once('error', resolve).resume()
  })
  // An open pipe would keep the process alive after its agent.
  lifeline?.destroy()
}
