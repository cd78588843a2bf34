import { logWrite, outputWrite } from './abi'

/**
 * Collects a binary output, little-endian, and hands it over with `flush`. Write the output in the last step:
 * until then a task that is stopped and resumed has said nothing.
 */
export class Writer {
  private bytes: StaticArray<u8>
  private length: i32 = 0

  /** `capacity` in bytes; writing more traps (`unreachable`). */
  constructor(capacity: i32) {
    this.bytes = new StaticArray<u8>(capacity)
  }

  u8(value: u8): void {
    store<u8>(this.take(1), value)
  }

  u32(value: u32): void {
    store<u32>(this.take(4), value)
  }

  u64(value: u64): void {
    store<u64>(this.take(8), value)
  }

  f64(value: f64): void {
    store<f64>(this.take(8), value)
  }

  /** Copies `length` bytes from `address`. */
  copy(address: usize, length: i32): void {
    memory.copy(this.take(length), address, length)
  }

  /** Appends everything collected to the output of the task and starts over. */
  flush(): void {
    outputWrite(changetype<usize>(this.bytes), this.length)
    this.length = 0
  }

  private take(length: i32): usize {
    if (<u32>length > <u32>(this.bytes.length - this.length)) unreachable()
    const address = changetype<usize>(this.bytes) + this.length
    this.length += length
    return address
  }
}

/** Appends `text` to the output as UTF-8. */
export function writeText(text: string): void {
  const bytes = String.UTF8.encode(text)
  outputWrite(changetype<usize>(bytes), bytes.byteLength)
}

/** Logs `text` as one line, for the eyes of whoever runs the task. */
export function log(text: string): void {
  const bytes = String.UTF8.encode(text)
  logWrite(changetype<usize>(bytes), bytes.byteLength)
}
