import { decode, encode, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity, type Identity, signDocument } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { z } from 'zod'
import { EXPORT_DOMAIN, type ExportBody, exportSchema, frame, unframe } from '../../src/export/format.ts'
import { createCheckpointing, createExporter, createWitness, WITNESS_MIGRATIONS } from '../../src/index.ts'
import type { OpenLog } from './logs.ts'

const parts = { clock: systemClock, timers: systemTimers, logger: silentLogger }

/** What makes exports of a log, on a mesh with one witness. */
export async function exporting(held: OpenLog, owner: Identity = createIdentity(systemRandom)) {
  const network = createMemoryMeshNetwork()
  const mesh = network.node(owner.id, { topics: new Map() })
  const watcher = createIdentity(systemRandom)
  const watching = network.node(watcher.id, { topics: new Map() })
  await Promise.all([mesh.start(), watching.start()])
  const database = openDatabase(':memory:', WITNESS_MIGRATIONS)
  await createWitness({ ...parts, identity: watcher, mesh: watching, database }).start()
  const { log } = held
  const checkpointing = createCheckpointing({ ...parts, log, database: held.database, identity: owner, mesh })
  const exporter = createExporter({ ...parts, log, database: held.database, checkpointing, identity: owner })
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
