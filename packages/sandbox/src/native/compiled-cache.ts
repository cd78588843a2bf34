import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Digest, digestBytes, digestOf, utf8 } from '@askee/core'

export interface CompiledCacheInit {
  /** Made with mode 0700 when missing. Only the warden reads and writes modules in it. */
  readonly directory: string
  /** 32 bytes, secret: key of the MAC without which no compiled module is used. */
  readonly key: Uint8Array
  /** Default 512 MiB. */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024
/** Tasks between two looks at the size. */
const PRUNE_EVERY = 64
/** `HEX.PID.draft`: what the warden PID is just writing. */
const DRAFT = /\.(\d+)\.draft$/
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
    await mkdir(this.#init.directory, { recursive: true, mode: 0o700 })
    await this.prune()
  }

  /** Notes a use of `module` by the engine that said `hello`. */
  used(hello: string, module: Uint8Array): void {
    this.#tasks += 1
    const isTimeToPrune = this.#tasks % PRUNE_EVERY === 0
    const path = join(this.#init.directory, compiledName(hello, digestOf(module)))
    const now = this.#clock.now() / 1000
    // Not there yet, or pruned by another agent: neither matters.
    this.#work = this.#work.then(() => utimes(path, now, now)).catch(() => undefined)
    if (isTimeToPrune) this.#work = this.#work.then(() => this.prune()).catch(() => undefined)
  }

  /** Removes what was compiled of `module`, and what a killed warden was just writing of it. */
  async forget(hello: string, module: Digest): Promise<void> {
    const { directory } = this.#init
    const name = compiledName(hello, module)
    await this.#work
    const draft = name.replace(/compiled$/, '')
    for (const found of await readdir(directory).catch(() => [])) {
      const isDraft = found.startsWith(draft) && DRAFT.test(found)
      if (found === name || isDraft) await rm(join(directory, found), { force: true })
    }
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

/** Name of a compiled module, as PROTOCOL.md gives it. */
function compiledName(hello: string, module: Digest): string {
  const payload = Buffer.concat([Uint8Array.of(1, 0), utf8(hello)])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(payload.byteLength)
  const name = createHash('sha256')
    .update('askee/compiled/1')
    .update(length)
    .update(payload)
    .update(digestBytes(module))
  return `${name.digest('hex')}.compiled`
}
