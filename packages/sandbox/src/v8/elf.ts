import { type FileHandle, open } from 'node:fs/promises'
import { AskeeError } from '@askee/core'

/** What a program or library of Linux says that it needs to start. */
export interface ElfNeeds {
  /** The dynamic loader (PT_INTERP); null for a library, or a program linked statically. */
  readonly interpreter: string | null
  /** Names of libraries (DT_NEEDED), in order. */
  readonly libraries: readonly string[]
  /** Folders to look in first (DT_RPATH, DT_RUNPATH), as written. */
  readonly folders: readonly string[]
}

const HEADER_BYTES = 64
const ENTRY_BYTES = 16
/** Far more than any real file has. */
const MAX_SEGMENTS = 64
const MAX_DYNAMIC_BYTES = 64 * 1024
const MAX_STRINGS_BYTES = 16 * 1024 * 1024
const LOADED = 1
const DYNAMIC = 2
const INTERPRETER = 3
const TAGS = { needed: 1n, strings: 5n, stringsBytes: 10n, rpath: 15n, runpath: 29n } as const

interface Segment {
  readonly type: number
  readonly offset: number
  readonly address: number
  readonly bytes: number
}

/**
 * Reads the headers of a 64-bit little endian ELF file (System V ABI, chapters 4 and 5). Nothing of it is executed.
 * @throws AskeeError `sandbox/elf` when it is none, or damaged
 */
export async function readElf(path: string): Promise<ElfNeeds> {
  const file = await open(path)
  try {
    return await new ElfFile(file, path).needs()
  } finally {
    await file.close()
  }
}

class ElfFile {
  readonly #file: FileHandle
  readonly #path: string

  constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  async needs(): Promise<ElfNeeds> {
    const segments = await this.#segments()
    const interpreter = segments.find(({ type }) => type === INTERPRETER)
    const dynamic = segments.find(({ type }) => type === DYNAMIC)
    const needs =
      dynamic === undefined ? { libraries: [], folders: [] } : await this.#dynamic(dynamic, segments)
    if (interpreter === undefined) return { interpreter: null, ...needs }
    const path = await this.#read(interpreter.offset, Math.min(interpreter.bytes, 4096))
    return { interpreter: textAt(path, 0), ...needs }
  }

  async #segments(): Promise<Segment[]> {
    const header = await this.#read(0, HEADER_BYTES)
    const isElf64 = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1
    if (!isElf64) throw this.#bad('a 64-bit little endian ELF file')
    const [start, size, count] = [integer(header, 32), header.readUInt16LE(54), header.readUInt16LE(56)]
    if (size < 56 || count > MAX_SEGMENTS)
      throw this.#bad(`at most ${MAX_SEGMENTS} program headers of 56 bytes`)
    const table = await this.#read(start, size * count)
    return Array.from({ length: count }, (_, index) => {
      const row = table.subarray(index * size)
      return {
        type: row.readUInt32LE(0),
        offset: integer(row, 8),
        address: integer(row, 16),
        bytes: integer(row, 32),
      }
    })
  }

  async #dynamic(
    { offset, bytes }: Segment,
    segments: readonly Segment[],
  ): Promise<Pick<ElfNeeds, 'libraries' | 'folders'>> {
    const table = await this.#read(offset, Math.min(bytes, MAX_DYNAMIC_BYTES))
    const entries: (readonly [bigint, number])[] = []
    for (let at = 0; at + ENTRY_BYTES <= table.byteLength; at += ENTRY_BYTES) {
      const tag = table.readBigUInt64LE(at)
      if (tag === 0n) break
      entries.push([tag, integer(table, at + 8)])
    }
    const all = (...tags: bigint[]) => entries.filter(([tag]) => tags.includes(tag)).map(([, value]) => value)
    const [address = 0, size = 0] = [all(TAGS.strings)[0], all(TAGS.stringsBytes)[0]]
    const holder = segments.find(
      (one) => one.type === LOADED && address >= one.address && address < one.address + one.bytes,
    )
    if (holder === undefined || size > MAX_STRINGS_BYTES) throw this.#bad('a table of names')
    const strings = await this.#read(holder.offset + address - holder.address, size)
    const name = (at: number) => textAt(strings, at)
    return {
      libraries: all(TAGS.needed).map(name),
      folders: all(TAGS.rpath, TAGS.runpath).flatMap((at) => name(at).split(':')),
    }
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    if (!Number.isSafeInteger(offset)) throw this.#bad('an offset inside the file')
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), 0, length, offset)
    if (bytesRead !== length) throw this.#bad(`${length} bytes at ${offset}`)
    return buffer
  }

  #bad(expected: string): AskeeError {
    return new AskeeError('sandbox/elf', `expected ${expected} in ${this.#path}`)
  }
}

function integer(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at))
}

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at)
  return bytes.toString('utf8', at, end < 0 ? bytes.byteLength : end)
}
