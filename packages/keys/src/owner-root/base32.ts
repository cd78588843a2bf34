/** Crockford's base 32: no letter that is taken for another, and small letters are the same. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LOOKALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
const GROUP = 7

/** Groups of seven with hyphens, for paper. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += DIGITS[(value >>> bits) & 31]
    }
    value &= (1 << bits) - 1
  }
  if (bits > 0) text += DIGITS[(value << (5 - bits)) & 31]
  return (text.match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? []).join('-')
}

/** The bytes, or undefined when a character is none of it. Spaces and hyphens do not count. */
export function fromBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let value = 0
  let bits = 0
  for (const letter of text.replace(/[\s-]/g, '').toUpperCase()) {
    const digit = DIGITS.indexOf(LOOKALIKES[letter] ?? letter)
    if (digit < 0) return undefined
    value = (value << 5) | digit
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((value >>> bits) & 0xff)
    value &= (1 << bits) - 1
  }
  return value === 0 ? Uint8Array.from(bytes) : undefined
}
