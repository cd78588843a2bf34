/** A client of native-sandbox/PROTOCOL.md with nothing between the test and the warden's bytes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const TARGET = fileURLToPath(new URL('../../native-sandbox/target/', import.meta.url))

/** The programs of `node scripts/build-native.ts --escape`. */
export const PROGRAMS = {
  warden: `${TARGET}release/askee-warden`,
  runner: `${TARGET}release/askee-runner`,
  escapeWarden: `${TARGET}escape/release/askee-warden`,
  escape: `${TARGET}escape/release/askee-escape`,
} as const

/** Why nothing native can run here; null when it can. */
export function missingPrograms(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'written for Linux on x86-64'
  const missing = Object.values(PROGRAMS).filter((path) => !existsSync(path))
  return missing.length === 0 ? null : 'not built: node scripts/build-native.ts --escape'
}

export const OUTER = {
  policy: 64,
  task: 65,
  freeze: 66,
  thaw: 67,
  kill: 68,
  usage: 69,
  report: 80,
  runner: 81,
  credit: 82,
  frozen: 83,
  thawed: 84,
  used: 85,
  exit: 86,
  refused: 87,
} as const

export const CAUSES = ['none', 'killed', 'seccomp', 'memory', 'protocol', 'crash', 'not sealed'] as const
const HEADER_BYTES = 8
const CHUNK_BYTES = 64 * 1024

export interface OuterFrame {
  readonly kind: number
  readonly payload: Buffer
}

export function outerFrame(kind: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.from([0x41, 0x4b, 1, kind, 0, 0, 0, 0])
  header.writeUInt32LE(payload.byteLength, 4)
  return Buffer.concat([header, payload])
}

/** Cuts a stream that is trusted to be well formed. */
export class FrameCutter {
  #bytes = Buffer.alloc(0)

  push(bytes: Buffer): OuterFrame[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const frames: OuterFrame[] = []
    while (this.#bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#bytes.readUInt32LE(4)
      if (this.#bytes.length < end) break
      frames.push({ kind: this.#bytes[3]!, payload: this.#bytes.subarray(HEADER_BYTES, end) })
      this.#bytes = this.#bytes.subarray(end)
    }
    return frames
  }
}

export interface WardenEnd {
  readonly code: number | null
  readonly signal: string | null
}

export class Warden {
  readonly child: ChildProcess
  readonly ended: Promise<WardenEnd>
  /** Frames of the runner, still unread. */
  readonly inner: OuterFrame[] = []
  readonly #outer: OuterFrame[] = []
  readonly #cutter = new FrameCutter()
  readonly #innerCutter = new FrameCutter()
  #wake: () => void = () => undefined
  #isEnded = false

  /** `command` is what stands before the warden's program, such as `prlimit --data=…`. */
  constructor(policy: string, command: readonly string[] = [], program: string = PROGRAMS.warden) {
    const [file, ...args] = [...command, program]
    this.child = spawn(file!, args, { env: {}, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
    this.child.stdin!.on('error', () => undefined)
    this.child.stdout!.on('data', (bytes: Buffer) => {
      for (const frame of this.#cutter.push(bytes)) {
        if (frame.kind === OUTER.runner) this.inner.push(...this.#innerCutter.push(frame.payload))
        else this.#outer.push(frame)
      }
      this.#wake()
    })
    this.ended = new Promise((resolve) => {
      this.child.once('error', () => resolve({ code: -1, signal: null }))
      this.child.once('close', (code, signal) => resolve({ code, signal }))
    })
    void this.ended.then(() => {
      this.#isEnded = true
      this.#wake()
    })
    this.send(OUTER.policy, Buffer.from(policy))
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  send(kind: number, payload?: Uint8Array): void {
    this.child.stdin!.write(outerFrame(kind, payload))
  }

  /** Bytes of the task's stream. Small enough tasks need no credit. */
  sendTask(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
      this.send(OUTER.task, bytes.subarray(at, at + CHUNK_BYTES))
    }
  }

  /** The warden's next frame of one of these kinds; null when it ended without. */
  async until(...kinds: readonly number[]): Promise<OuterFrame | null> {
    for (;;) {
      const at = this.#outer.findIndex((frame) => kinds.includes(frame.kind))
      if (at >= 0) return this.#outer.splice(at, 1)[0]!
      if (this.#isEnded) return null
      await this.#next()
    }
  }

  /** The runner's next frame of one of these kinds, or the warden's EXIT or REFUSED, or null at the end. */
  async untilInner(...kinds: readonly number[]): Promise<OuterFrame | null> {
    for (;;) {
      const at = this.inner.findIndex((frame) => kinds.includes(frame.kind))
      if (at >= 0) return this.inner.splice(at, 1)[0]!
      const last = this.#outer.find(({ kind }) => kind === OUTER.exit || kind === OUTER.refused)
      if (last !== undefined || this.#isEnded) return last ?? null
      await this.#next()
    }
  }

  /** Processor time of the task in milliseconds; infinite when it has ended, so that nobody waits for more. */
  async processorTime(): Promise<number> {
    this.send(OUTER.usage)
    const used = await this.until(OUTER.used)
    return used === null ? Number.POSITIVE_INFINITY : Number(used.payload.readBigUInt64LE(0)) / 1000
  }

  /** Sends a frame and tells how long the answer took, in milliseconds. */
  async ask(kind: number, answer: number): Promise<number> {
    const start = performance.now()
    this.send(kind)
    await this.until(answer)
    return performance.now() - start
  }

  async close(): Promise<WardenEnd> {
    this.child.kill('SIGKILL')
    return this.ended
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
