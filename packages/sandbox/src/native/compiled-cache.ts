import { createHash, createHmac } from 'node:crypto'
import { mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesEqual, type Clock, type Digest, digestBytes, digestOf, utf8 } from '@askee/core'

export interface CompiledCacheInit {
  /** Made with mode 0700 when missing. Only the warden reads and writes modules in it. */
  readonly directory: string
  /** 32 bytes, secret: encrypts and authenticates every file, and hides in its name what it was compiled from. */
  readonly key: Uint8Array
  /** Default 512 MiB. */
  readonly maxBytes?: number
}

const PAGE_BYTES = 4096
/** The warden keeps no code above 8 MiB; its file is a little longer, in whole pages of the file system. */
export const MOST_KEPT_BYTES = 8 * 1024 * 1024 + PAGE_BYTES
const DEFAULT_MAX_BYTES = 512 * 1024 * 1024
/** Tasks between two looks at the size. The warden keeps no file above 8 MiB: so much and 16 times 8 MiB is the most there is. */
const PRUNE_EVERY = 16
/** `HEX.PID.draft`: what the warden PID is just writing. */
const DRAFT = /\.(\d+)\.draft$/
/** How a file begins that the warden of today wrote; those of before stood in clear. */
const MAGIC = utf8('ASKEECM2')
/** A draft this old was left, whoever has its warden's number now. */
const DRAFT_AGE = 3_600_000

/** Keeps the folder of compiled modules small: the least recently used go first. */
export class CompiledCache {
  readonly #clock: Clock
  readonly #init: CompiledCacheInit
  #tasks = 0
  #work: Promise<void> = Promise.resolve()

  constructor(clock: Clock, init: CompiledCacheInit) {
    this.#clock = clock
    this.#init = init
  }

  async open(): Promise<void> {
    const { directory } = this.#init
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      if (name.endsWith('.compiled') && !(await isSealed(path))) await rm(path, { force: true })
    }
    await this.prune()
  }

  /** Notes a use of `module` by the engine that said `hello`. */
  used(hello: string, module: Uint8Array): void {
    this.#tasks += 1
    const isTimeToPrune = this.#tasks % PRUNE_EVERY === 0
    const path = join(this.#init.directory, this.#nameOf(hello, digestOf(module)))
    const now = this.#clock.now() / 1000
    // Not there yet, or pruned by another agent: neither matters.
    this.#work = this.#work.then(() => utimes(path, now, now)).catch(() => undefined)
    if (isTimeToPrune) this.#work = this.#work.then(() => this.prune()).catch(() => undefined)
  }

  /** Removes what was compiled of `module`, and what a killed warden was just writing of it. */
  async forget(hello: string, module: Digest): Promise<void> {
    const { directory } = this.#init
    const name = this.#nameOf(hello, module)
    await this.#work
    const draft = name.replace(/compiled$/, '')
    for (const found of await readdir(directory).catch(() => [])) {
      const isDraft = found.startsWith(draft) && DRAFT.test(found)
      if (found === name || isDraft) await rm(join(directory, found), { force: true })
    }
  }

  /** What is kept of `module` on disk, in whole pages of the file system; 0 when nothing is. Reads nothing of it. */
  async bytesOf(hello: string, module: Digest): Promise<number> {
    const found = await stat(join(this.#init.directory, this.#nameOf(hello, module))).catch(() => null)
    return found === null ? 0 : Math.ceil(found.size / PAGE_BYTES) * PAGE_BYTES
  }

  /** Removes what was used longest ago until the rest fits, and what killed wardens left. */
  async prune(): Promise<void> {
    const { directory, maxBytes = DEFAULT_MAX_BYTES } = this.#init
    const files: { path: string; bytes: number; usedAt: number }[] = []
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      const found = await stat(path).catch(() => null)
      if (found === null) continue
      const isOld = this.#clock.now() - found.mtimeMs > DRAFT_AGE
      const writer = DRAFT.exec(name)?.[1]
      if (name.endsWith('.compiled')) files.push({ path, bytes: found.size, usedAt: found.mtimeMs })
      else if (writer !== undefined && (isOld || !exists(Number(writer)))) await rm(path, { force: true })
    }
    files.sort((a, b) => b.usedAt - a.usedAt)
    let total = 0
    for (const { path, bytes } of files) {
      total += bytes
      if (total > maxBytes) await rm(path, { force: true })
    }
  }

  /** Name of a compiled module, as PROTOCOL.md gives it. */
  #nameOf(hello: string, module: Digest): string {
    const name = createHmac('sha256', this.#init.key).update('askee/compiled/2/name')
    return `${name.update(compiledIdentity(hello, module)).digest('hex')}.compiled`
  }

  /** Resolves when nothing is written any more. */
  async close(): Promise<void> {
    await this.#work
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's is one all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function isSealed(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const start = Buffer.alloc(MAGIC.byteLength)
    await file.read(start, 0, start.byteLength, 0)
    return bytesEqual(start, MAGIC)
  } finally {
    await file.close()
  }
}

/** 32 bytes that say what was compiled, and by what: the engine that said `hello`. */
export function compiledIdentity(hello: string, module: Digest): Buffer {
  const payload = Buffer.concat([Uint8Array.of(1, 0), utf8(hello)])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(payload.byteLength)
  const identity = createHash('sha256')
    .update('askee/compiled/1')
    .update(length)
    .update(payload)
    .update(digestBytes(module))
  return identity.digest()
}
