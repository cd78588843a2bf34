/** Machine numbers of ELF, Mach-O and PE for the processors that packages exist for. */
const MACHINES: Readonly<
  Record<string, { readonly elf: number; readonly macho: number; readonly pe: number }>
> = {
  x64: { elf: 62, macho: 0x01000007, pe: 0x8664 },
  arm64: { elf: 183, macho: 0x0100000c, pe: 0xaa64 },
}
const INTERPRETER = 3
const ELF_HEADERS = 64
const MACHO = 0xfeedfacf

/**
 * Why a program cannot run on `platform` (`linux-x64`, `darwin-arm64`, …), or null. One that is linked dynamically on Linux
 * cannot: it starts in an empty root, where there is no loader; linked statically, one program serves glibc and musl systems.
 */
export function flawOfProgram(bytes: Buffer, platform: string): string | null {
  const [system = '', arch = ''] = platform.split('-')
  const machine = MACHINES[arch]
  if (machine === undefined) return `unknown processor ${arch}`
  if (system === 'linux') return flawOfElf(bytes, machine.elf)
  if (system === 'darwin') return flawOfMacho(bytes, machine.macho)
  return flawOfPe(bytes, machine.pe)
}

function flawOfElf(bytes: Buffer, machine: number): string | null {
  if (bytes.byteLength < ELF_HEADERS || bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes[4] !== 2) {
    return 'not a 64-bit program of Linux'
  }
  const received = bytes.readUInt16LE(18)
  if (received !== machine) return `machine ${received}, expected ${machine}`
  const start = Number(bytes.readBigUInt64LE(32))
  const size = bytes.readUInt16LE(54)
  const count = bytes.readUInt16LE(56)
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(start + index * size) === INTERPRETER) return 'linked dynamically'
  }
  return null
}

function flawOfMacho(bytes: Buffer, machine: number): string | null {
  if (bytes.byteLength < 8 || bytes.readUInt32LE(0) !== MACHO) return 'not a 64-bit program of macOS'
  const received = bytes.readUInt32LE(4)
  return received === machine ? null : `machine ${received}, expected ${machine}`
}

function flawOfPe(bytes: Buffer, machine: number): string | null {
  if (bytes.byteLength < 64 || bytes.toString('latin1', 0, 2) !== 'MZ') return 'not a program of Windows'
  const header = bytes.readUInt32LE(60)
  if (header + 6 > bytes.byteLength || bytes.toString('latin1', header, header + 2) !== 'PE') {
    return 'not a program of Windows'
  }
  const received = bytes.readUInt16LE(header + 4)
  return received === machine ? null : `machine ${received}, expected ${machine}`
}
