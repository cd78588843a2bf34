import { createHash } from 'node:crypto'
import { fromBase32, toBase32 } from '../../src/owner-root/base32.ts'

/** Another body under a check that fits: what whoever makes shares up can do. */
export function madeUp(share: string, change: (body: Buffer) => void): string {
  const bytes = Buffer.from(fromBase32(share) as Uint8Array)
  const body = bytes.subarray(0, -4)
  change(body)
  const check = createHash('sha256').update('askee/owner-root/share/1\0').update(body).digest()
  return toBase32(Buffer.concat([body, check.subarray(0, 4)]))
}
