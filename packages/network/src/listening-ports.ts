import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { errorText, type Logger, type Random, toHex } from '@askee/core'
import { z } from 'zod'

const port = z.number().int().min(1).max(65_535)
const fileSchema = z.strictObject({ version: z.literal(1), ip4: port.optional(), ip6: port.optional() })
type Ports = Omit<z.infer<typeof fileSchema>, 'version'>
type Family = keyof Ports

const MAX_FILE_BYTES = 1024

/** An address that leaves the port open: its family and host. */
const OPEN_PORT = /^\/(ip4|ip6)\/([^/]+)\/tcp\/0$/
const TCP = /^\/(ip4|ip6)\/[^/]+\/tcp\/(\d+)$/

/**
 * `<directory>/ports.json`: where "any port" was last time. A node that comes back is found by those who remember it,
 * only if it listens where it did.
 */
export class ListeningPorts {
  readonly #directory: string
  readonly #path: string
  readonly #random: Random
  readonly #logger: Logger

  constructor(directory: string, random: Random, logger: Logger) {
    this.#directory = directory
    this.#path = join(directory, 'ports.json')
    this.#random = random
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
    const temporary = `${this.#path}.${toHex(this.#random.bytes(6))}`
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      await writeFile(temporary, JSON.stringify({ version: 1, ...ports }), { flag: 'wx', mode: 0o600 })
      await rename(temporary, this.#path)
    } catch (error) {
      this.#logger.warn({ error: errorText(error) }, 'ports could not be written to disk')
    }
  }

  async #read(): Promise<Ports> {
    try {
      const bytes = await readFile(this.#path)
      if (bytes.length > MAX_FILE_BYTES) throw new RangeError(`${bytes.length} bytes`)
      const { version: _, ...ports } = fileSchema.parse(JSON.parse(bytes.toString()))
      return ports
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#logger.warn({ path: this.#path, error: errorText(error) }, 'last ports cannot be read')
      }
      return {}
    }
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
