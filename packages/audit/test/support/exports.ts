import { concat, decode, encode, systemRandom } from '@askee/core'
import { createIdentity, type Identity, signDocument } from '@askee/keys'
import { z } from 'zod'
import {
  EXPORT_DOMAIN,
  type ExportBody,
  type ExportItem,
  exportDigest,
  exportSchema,
  frame,
  itemSchema,
  MAGIC,
  unframe,
} from '../../src/export/format.ts'
import { createExporter } from '../../src/index.ts'
import type { OpenLog } from './logs.ts'
import { ownLog, parts, Watching } from './watching.ts'

/** What makes exports of a log, on a mesh with one witness. */
export async function exporting(held: OpenLog, owner: Identity = createIdentity(systemRandom)) {
  const watching = new Watching()
  const mesh = await watching.node(owner)
  const watcher = await watching.watcher()
  const { checkpointing, standing } = await ownLog(held, { identity: owner, mesh })
  const exporter = createExporter({ ...parts, ...held, checkpointing, identity: owner })
  return { owner, watcher: watcher.id, checkpointing, standing, exporter }
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

/** An export taken apart. */
type Draft = Mutable<
  Omit<ExportBody, 'items'> & { items: ExportItem[]; previous: ExportItem[]; removals: ExportItem[] }
>

/** The file with other parts: signed as before, which does not hold, or anew by whoever has the key. */
export function altered(file: Uint8Array, change: (draft: Draft) => void, signer?: Identity): Uint8Array {
  const unframed = unframe(file)
  const envelope = decode(unframed.end, envelopeSchema, file.byteLength)
  const { items: digest, ...body } = decode(envelope.body, exportSchema, file.byteLength)
  const all = unframed.items.map((part) => decode(part, itemSchema, file.byteLength))
  const of = (kind: ExportItem['kind']) => all.filter((item) => item.kind === kind)
  const draft = { ...body, items: of('entry'), previous: of('export'), removals: of('removal') } as Draft
  change(draft)
  const { items, previous, removals, ...rest } = draft
  const begin = concat(
    MAGIC,
    ...[...items, ...previous, ...removals].map((item) => frame('item', encode(item))),
  )
  const end =
    signer === undefined
      ? encode({ ...envelope, body: encode({ ...rest, items: digest }) })
      : signDocument(signer, EXPORT_DOMAIN, { ...rest, items: exportDigest(begin) })
  return concat(begin, frame('end', end))
}
