import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** How subjects stand in the index: recognisable only to whoever holds the key. */
export type SubjectTags = (subject: string) => string

/** @param key 32 bytes; taken over once, as that costs more than the tag itself */
export function subjectTags(key: Uint8Array): SubjectTags {
  const secret: KeyObject = createSecretKey(key)
  return (subject) => createHmac('sha256', secret).update(subject).digest('hex')
}
