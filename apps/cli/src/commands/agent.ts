import type { Agent, AgentInit } from '@askee/agent'
import { AskeeError } from '@askee/core'
import type { ExecutorPolicy } from '@askee/sandbox'
import { Command, Option } from 'commander'
import { EXIT } from '../exit.ts'
import { printData, printJson, printNote } from '../terminal/output.ts'
import { type DeviceKeyOptions, deviceKeyChoice, deviceKeyOptions } from './device-key.ts'
import { decimal, defaultDataDirectory, executorOption, integer, repeated } from './options.ts'

interface AgentOptions extends DeviceKeyOptions {
  data: string
  listen?: string[]
  bootstrap?: string[]
  control?: string
  network: 'local' | 'public'
  mdns: boolean
  slots: number
  storageGb: number
  executor: ExecutorPolicy
  passphraseFile?: string
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  lifeline?: boolean
  json?: boolean
}

/** `askee agent`: runs a node in the foreground until it is told to stop. */
export function agentCommand(): Command {
  return deviceKeyOptions(new Command('agent'))
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
    .option(
      '--passphrase-file <path>',
      'with --device-key passphrase: file whose first line is the passphrase',
    )
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
  const lifeline = options.lifeline === true ? process.stdin : undefined
  const told = stopSignal(lifeline)
  const { DEFAULT_INIT, startAgent } = await import('@askee/agent')
  const init: AgentInit = {
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
    deviceKey: deviceKeyChoice(options, { option: '--passphrase-file', file: options.passphraseFile }),
    logLevel: options.logLevel,
  }
  let agent: Agent
  try {
    agent = await startAgent(init, {}, told)
  } catch (error) {
    if (!told.aborted) throw error
    printNote('stopped before it was ready')
    // As after an orderly stop: whoever told it to stop has what was asked for.
    process.exit(EXIT.ok)
  }
  if (options.json === true) {
    printJson({ node: agent.node, addresses: agent.mesh.addresses(), socket: agent.socket })
  } else {
    printData(`node ${agent.node}\n${agent.mesh.addresses().join('\n')}\ncontrol socket ${agent.socket}`)
  }
  await untilTold(agent.stopRequested, lifeline, told)
  await agent.stop()
  // libp2p leaves timers behind that would keep a stopped agent's process for two seconds.
  process.exit()
}

/**
 * Aborted by SIGINT, SIGTERM or the end of the lifeline: from now on, so also while an agent starts. A second signal ends the
 * process as if nobody listened.
 */
function stopSignal(lifeline?: NodeJS.ReadStream): AbortSignal {
  const told = new AbortController()
  const stop = (): void => told.abort(new AskeeError('cli/stopped', 'told to stop'))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  lifeline?.once('end', stop).once('error', stop).resume()
  return told.signal
}

/** Resolves when told to stop, or on a stop request. */
export async function untilTold(
  stopRequested: Promise<void>,
  lifeline?: NodeJS.ReadStream,
  told: AbortSignal = stopSignal(lifeline),
): Promise<void> {
  await new Promise<void>((resolve) => {
    told.addEventListener('abort', () => resolve(), { once: true })
    if (told.aborted) resolve()
    void stopRequested.then(resolve)
  })
  // An open pipe would keep the process alive after its agent.
  lifeline?.destroy()
}
