import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorText, type Logger, type Random, toHex } from '@askee/core'

/** Seals what the mesh keeps on disk: whom this node knows, and where it listens, is nobody's business. */
export interface MemorySealing {
  /** @param name of the file: no other can stand in its place */
  seal(name: string, plain: Uint8Array): Uint8Array
  /** Throws when it was not sealed here under that name, or was changed. */
  open(name: string, sealed: Uint8Array): Uint8Array
}

/** Where the mesh remembers peers, own records and ports, and what seals them there. */
export interface MeshMemory {
  /** Its own folder; made with mode 0700. */
  readonly directory: string
  readonly sealing: MemorySealing
}

/** Much more than nonces and tags take. */
const SEALING_BYTES = 1024
/** What an earlier version left in clear. */
const CLEAR = /^(mesh\.cbor|ports\.json)/
const DRAFT = /\.sealed\.[0-9a-f]{12}$/

/** Removes what an earlier version kept in clear, and what a crash left half written. */
export async function clearUp({ directory }: MeshMemory): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    if (CLEAR.test(name) || DRAFT.test(name)) await rm(join(directory, name), { force: true })
  }
}

/** One sealed file, mode 0600, written whole and renamed, so that a crash leaves the old one. */
export class MemoryFile {
  readonly #memory: MeshMemory
  readonly #name: string
  readonly #path: string
  readonly #random: Random
  readonly #logger: Logger

  /** @param name ends in `.sealed` */
  constructor(memory: MeshMemory, name: string, random: Random, logger: Logger) {
    this.#memory = memory
    this.#name = name
    this.#path = join(memory.directory, name)
    this.#random = random
    this.#logger = logger
  }

  /** What `parse` makes of the content. A file that cannot be read is set aside, and it is as if there were none. */
  async read<T>(maxBytes: number, parse: (bytes: Uint8Array) => T): Promise<T | undefined> {
    try {
      const { size } = await stat(this.#path)
      if (size > maxBytes + SEALING_BYTES) throw new RangeError(`${size} bytes`)
      return parse(this.#memory.sealing.open(this.#name, new Uint8Array(await readFile(this.#path))))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      this.#logger.warn(
        { path: this.#path, error: errorText(error) },
        'what the mesh remembered cannot be read',
      )
      await rename(this.#path, `${this.#path}.broken`).catch(() => undefined)
      return undefined
    }
  }

  async write(plain: Uint8Array): Promise<void> {
    await mkdir(this.#memory.directory, { recursive: true, mode: 0o700 })
    const temporary = `${this.#path}.${toHex(this.#random.bytes(6))}`
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(this.#memory.sealing.seal(this.#name, plain))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path)
  }
}
