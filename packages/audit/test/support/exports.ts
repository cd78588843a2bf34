import { decode, encode, systemRandom } from '@askee/core'
import { createIdentity, type Identity, signDocument } from '@askee/keys'
import { z } from 'zod'
import { EXPORT_DOMAIN, type ExportBody, exportSchema, frame, unframe } from '../../src/export/format.ts'
import { createExporter } from '../../src/index.ts'
import type { OpenLog } from './logs.ts'
import { ownLog, parts, Watching } from './watching.ts'

/** What makes exports of a log, on a mesh with one witness. */
export async function exporting(held: OpenLog, owner: Identity = createIdentity(systemRandom)) {
  const watching = new Watching()
  const mesh = await watching.node(owner)
  const watcher = await watching.watcher()
  const { checkpointing } = await ownLog(held, { identity: owner, mesh })
  const exporter = createExporter({ ...parts, ...held, checkpointing, identity: owner })
  return { owner, watcher: watcher.id, checkpointing, exporter }
}

const envelopeSchema = z.object({
  body: z.instanceof(Uint8Array),
  signer: z.string(),
  signature: z.instanceof(Uint8Array),
})

type Mutable<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? Mutable<Item>[]
    : T extends object
      ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
      : T

/** The file with another body: signed as before, which does not hold, or anew by whoever has the key. */
export function altered(
  file: Uint8Array,
  change: (body: Mutable<ExportBody>) => void,
  signer?: Identity,
): Uint8Array {
  const envelope = decode(unframe(file), envelopeSchema, file.byteLength)
  const body = decode(envelope.body, exportSchema, file.byteLength) as Mutable<ExportBody>
  change(body)
  if (signer !== undefined) return frame(signDocument(signer, EXPORT_DOMAIN, body))
  return frame(encode({ ...envelope, body: encode(body) }))
}
