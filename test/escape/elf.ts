/** The smallest program for Linux on x86-64: says some bytes on standard output, then reads until the end and exits. */

const BASE = 0x400000
const HEADERS_BYTES = 64 + 56

export function tinyProgram(says: Uint8Array): Buffer {
  const code = instructions(says.byteLength)
  const size = HEADERS_BYTES + code.length + says.byteLength
  const header = Buffer.alloc(HEADERS_BYTES)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header.writeUInt16LE(2, 16) // executable
  header.writeUInt16LE(62, 18) // x86-64
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(BigInt(BASE + HEADERS_BYTES), 24) // entry
  header.writeBigUInt64LE(64n, 32) // program headers
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(1, 56)
  header.writeUInt32LE(1, 64) // loaded
  header.writeUInt32LE(5, 68) // read, execute
  header.writeBigUInt64LE(BigInt(BASE), 80)
  header.writeBigUInt64LE(BigInt(BASE), 88)
  header.writeBigUInt64LE(BigInt(size), 96)
  header.writeBigUInt64LE(BigInt(size), 104)
  header.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([header, code, says])
}

function instructions(length: number): Buffer {
  const code = Buffer.from([
    ...[0xb8, 1, 0, 0, 0], // mov eax, write
    ...[0xbf, 1, 0, 0, 0], // mov edi, 1
    ...[0xbe, 0, 0, 0, 0], // mov esi, address
    ...[0xba, 0, 0, 0, 0], // mov edx, length
    ...[0x0f, 0x05], // syscall
    ...[0x31, 0xc0], // read: xor eax, eax
    ...[0x31, 0xff], // xor edi, edi
    ...[0x48, 0x8d, 0x74, 0x24, 0x80], // lea rsi, [rsp - 128]
    ...[0xba, 64, 0, 0, 0], // mov edx, 64
    ...[0x0f, 0x05], // syscall
    ...[0x85, 0xc0], // test eax, eax
    ...[0x7f, 0xec], // jg read
    ...[0xb8, 231, 0, 0, 0], // mov eax, exit_group
    ...[0x31, 0xff], // xor edi, edi
    ...[0x0f, 0x05], // syscall
  ])
  code.writeUInt32LE(BASE + HEADERS_BYTES + code.length, 11)
  code.writeUInt32LE(length, 16)
  return code
}
