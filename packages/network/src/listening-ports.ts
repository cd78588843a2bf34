import { createServer } from 'node:net'
import { decode, encode, errorText, type Logger, type Random } from '@askee/core'
import { z } from 'zod'
import { MemoryFile, type MeshMemory } from './memory-file.ts'

const port = z.number().int().min(1).max(65_535)
const fileSchema = z.strictObject({ version: z.literal(1), ip4: port.optional(), ip6: port.optional() })
type Ports = Omit<z.infer<typeof fileSchema>, 'version'>
type Family = keyof Ports

const MAX_FILE_BYTES = 1024

/** An address that leaves the port open: its family and host. */
const OPEN_PORT = /^\/(ip4|ip6)\/([^/]+)\/tcp\/0$/
const TCP = /^\/(ip4|ip6)\/[^/]+\/tcp\/(\d+)$/

/**
 * `<directory>/ports.sealed`: where "any port" was last time. A node that comes back is found by those who remember it,
 * only if it listens where it did.
 */
export class ListeningPorts {
  readonly #file: MemoryFile
  readonly #logger: Logger

  constructor(memory: MeshMemory, random: Random, logger: Logger) {
    this.#file = new MemoryFile(memory, 'ports.sealed', random, logger)
    this.#logger = logger
  }

  /** The addresses with last time's ports in place of 0, where these are still free; only the first of a family. */
  async restore(listen: readonly string[]): Promise<string[]> {
    const left = await this.#read()
    // Another address of this node takes that port itself; it is free only until then.
    const taken = listen.map((address) => Number(TCP.exec(address)?.[2] ?? 0))
    const addresses: string[] = []
    for (const address of listen) {
      const [, family, host = ''] = OPEN_PORT.exec(address) ?? []
      const last = left[family as Family]
      delete left[family as Family]
      const again = last !== undefined && !taken.includes(last) && (await isFree(last, host))
      addresses.push(again ? address.replace(/0$/, String(last)) : address)
    }
    return addresses
  }

  /** @param listening the addresses in use; the first of each family is remembered */
  async save(listening: readonly string[]): Promise<void> {
    const ports: Ports = {}
    for (const address of listening) {
      const [, family, number] = TCP.exec(address) ?? []
      if (family !== undefined) ports[family as Family] ??= Number(number)
    }
    try {
      await this.#file.write(encode({ version: 1, ...ports }))
    } catch (error) {
      this.#logger.warn({ error: errorText(error) }, 'ports could not be written to disk')
    }
  }

  async #read(): Promise<Ports> {
    const file = await this.#file.read(MAX_FILE_BYTES, (bytes) => decode(bytes, fileSchema, MAX_FILE_BYTES))
    const { version: _, ...ports } = file ?? { version: 1 }
    return ports
  }
}

function isFree(number: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port: number, host, ipv6Only: true, exclusive: true }, () =>
      probe.close(() => resolve(true)),
    )
  })
}
