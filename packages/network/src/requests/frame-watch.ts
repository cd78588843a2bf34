import type { Timers } from '@askee/core'
import { FRAME_TIMEOUT_MS, SLOWEST_BYTES_PER_SECOND } from '../defaults.ts'
import type { FrameReader } from './frames.ts'

/** Notices a frame that was begun and does not end: its sender holds a place and memory here for nothing. */
export class FrameWatch {
  readonly #reader: FrameReader
  readonly #timers: Timers
  readonly #stalled: (what: string) => void
  #watched: { frame: number; bytes: number } | undefined
  #cancel: () => void = () => {}

  /** @param stalled called once, when a frame took longer than the slowest link needs for it */
  constructor(reader: FrameReader, timers: Timers, stalled: (what: string) => void) {
    this.#reader = reader
    this.#timers = timers
    this.#stalled = stalled
  }

  /** Call after every push; a watch that was stopped begins anew. */
  look(): void {
    const { unfinished } = this.#reader
    const { frame, bytes } = this.#watched ?? {}
    if (unfinished?.frame === frame && unfinished?.bytes === bytes) return
    this.stop()
    if (unfinished === undefined) return
    this.#watched = unfinished
    const limit = FRAME_TIMEOUT_MS + (unfinished.bytes / SLOWEST_BYTES_PER_SECOND) * 1000
    this.#cancel = this.#timers.after(limit, () =>
      this.#stalled(`a frame of ${unfinished.bytes} bytes was not whole after ${Math.round(limit)} ms`),
    )
  }

  stop(): void {
    this.#cancel()
    this.#cancel = () => {}
    this.#watched = undefined
  }
}
