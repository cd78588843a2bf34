/** Pages of the memory that a module declares. Reads just enough of the binary format to find them. */
export function memoryLimits(module: Uint8Array): { initial: number; maximum: number | undefined } {
  let at = 8
  const leb = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < module.length) {
    const section = leb()
    const length = leb()
    if (section !== 5) at += length
    else {
      leb() // how many memories
      const flags = leb()
      return { initial: leb(), maximum: flags === 1 ? leb() : undefined }
    }
  }
  throw new Error('expected a memory section, received none')
}
