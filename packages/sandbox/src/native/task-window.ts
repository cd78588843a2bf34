import { CHUNK_BYTES, WINDOW_BYTES } from './warden-frames.ts'

/**
 * Bytes for a runner, cut into chunks and held back beyond what the warden has room for, so that a control frame never
 * waits behind more than one window.
 */
export class TaskWindow {
  readonly #write: (chunk: Uint8Array) => void
  readonly #waiting: Uint8Array[] = []
  #room = WINDOW_BYTES

  constructor(write: (chunk: Uint8Array) => void) {
    this.#write = write
  }

  push(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.#waiting.push(bytes)
    this.#flush()
  }

  /** So many bytes more may be sent. */
  grant(bytes: number): void {
    this.#room += bytes
    this.#flush()
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#room > 0; next = this.#waiting[0]) {
      const chunk = next.subarray(0, Math.min(CHUNK_BYTES, this.#room))
      this.#room -= chunk.byteLength
      if (chunk.byteLength === next.byteLength) this.#waiting.shift()
      else this.#waiting[0] = next.subarray(chunk.byteLength)
      this.#write(chunk)
    }
  }
}
