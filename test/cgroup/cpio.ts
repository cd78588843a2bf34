/** The archive a Linux kernel unpacks as its first root: cpio, "newc" (initramfs-buffer-format.rst of the kernel). */

export interface Entry {
  readonly path: string
  /** File type and permissions, as in `struct stat`. */
  readonly mode: number
  readonly content?: Uint8Array
  /** Of a device: major and minor number. */
  readonly device?: readonly [number, number]
}

export const DIRECTORY = 0o040755
export const PROGRAM = 0o100755
export const FILE = 0o100644
export const CHARACTER_DEVICE = 0o020600

const ALIGNMENT = 4

export function cpio(entries: readonly Entry[]): Buffer {
  const parts = entries.map((entry, index) => record(entry, index + 1))
  return Buffer.concat([...parts, record({ path: 'TRAILER!!!', mode: 0 }, 0)])
}

function record({ path, mode, content = new Uint8Array(0), device = [0, 0] }: Entry, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`)
  const [links, owner, group, time, check] = [1, 0, 0, 0, 0]
  const numbers = [
    inode,
    mode,
    owner,
    group,
    links,
    time,
    content.byteLength,
    0,
    0,
    ...device,
    name.length,
    check,
  ]
  const head = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`)
  return Buffer.concat([padded(Buffer.concat([head, name])), padded(Buffer.from(content))])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (ALIGNMENT - 1))])
}
