import { concat, type Timers } from '@askee/core'
import type { Stream } from '@libp2p/interface'
import { FRAME_TIMEOUT_MS, SLOWEST_BYTES_PER_SECOND, WRITE_BACKLOG_BYTES } from '../defaults.ts'

/** Bytes handed to the stream at once; larger bodies are cut so that back-pressure is felt. */
const PIECE_BYTES = 64 * 1024
/** A piece must be taken within this time: who reads nothing holds what waits for it in our memory. */
const STALLED_MS = FRAME_TIMEOUT_MS + (PIECE_BYTES / SLOWEST_BYTES_PER_SECOND) * 1000

/**
 * Writes frames in order. Small frames of one turn of the event loop leave together: under load that saves
 * most encryptions and system calls.
 */
export class FrameWriter {
  readonly #stream: Stream
  readonly #timers: Timers
  readonly #stalled: (what: string) => void
  #batch: Uint8Array[] = []
  #queued = 0
  #pump: Promise<void> | undefined
  #room: PromiseWithResolvers<void> | undefined

  /** @param stalled called when the other end has taken nothing for longer than the slowest link needs */
  constructor(stream: Stream, timers: Timers, stalled: (what: string) => void) {
    this.#stream = stream
    this.#timers = timers
    this.#stalled = stalled
  }

  /** Never throws: a stream that broke says so by its close event. */
  write(...parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      if (part.byteLength === 0) continue
      this.#batch.push(part)
      this.#queued += part.byteLength
    }
    this.#pump ??= Promise.resolve()
      .then(() => this.#run())
      .catch(() => {
        this.#batch = []
        this.#queued = 0
        this.#room?.resolve()
      })
  }

  /** Whether so much is unsent that nothing more should be read from this peer. */
  get full(): boolean {
    return this.#queued > WRITE_BACKLOG_BYTES
  }

  /** Resolves when the writer is no longer full, or broken. */
  room(): Promise<void> {
    if (!this.full) return Promise.resolve()
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  async #run(): Promise<void> {
    try {
      while (this.#batch.length > 0) {
        const bytes = this.#batch.length === 1 ? (this.#batch[0] as Uint8Array) : concat(...this.#batch)
        this.#batch = []
        for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
          const piece = bytes.subarray(at, at + PIECE_BYTES)
          if (!this.#stream.send(piece)) await this.#drained()
          this.#queued -= piece.byteLength
          if (!this.full) this.#release()
        }
      }
    } finally {
      this.#pump = undefined
    }
  }

  async #drained(): Promise<void> {
    const cancel = this.#timers.after(STALLED_MS, () =>
      this.#stalled(`nothing that was sent is read for ${STALLED_MS / 1000} s`),
    )
    try {
      await this.#stream.onDrain()
    } finally {
      cancel()
    }
  }

  #release(): void {
    this.#room?.resolve()
    this.#room = undefined
  }
}
