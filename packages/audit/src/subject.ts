import { createHmac } from 'node:crypto'

/** How a subject stands in the index: recognisable only to whoever holds the key. */
export function subjectTag(key: Uint8Array, subject: string): string {
  return createHmac('sha256', key).update(subject).digest('hex')
}
