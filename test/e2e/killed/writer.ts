/**
 * Writes to a store and its log until it is killed, and says on standard output what it was told is written: `row 7`, `field 3`,
 * `act 12 <leaf>`, and `note <checkpoint in base64>`. Arguments: folder of the store, file of the device key, first number.
 */
import { writeSync } from 'node:fs'
import { advance } from '@askee/store'
import { addField, addRow } from '../../../packages/store/test/support/whole-store.ts'
import { openStoreAndLog } from './store-and-log.ts'

const [directory, device, first] = process.argv.slice(2) as [string, string, string]
const say = (text: string): void => void writeSync(1, `${text}\n`)

say('start')
const { store, log, note, rotate } = await openStoreAndLog(directory, device)
say('open')
for (let i = Number(first); ; i++) {
  addRow(store, i)
  say(`row ${i}`)
  // One alone, or several in one transaction.
  const acts = Array.from({ length: 1 + (i % 3) }, (_, more) =>
    log.append({
      action: 'task.accepted',
      subject: `consent-${i % 5}`,
      outcome: 'done',
      content: { row: i, more },
    }),
  )
  for (const { index, leaf } of await Promise.all(acts)) say(`act ${index} ${leaf}`)
  if (i % 3 === 0) {
    addField(store, `${i}`)
    say(`field ${i}`)
  }
  if (i % 4 === 0) say(`note ${Buffer.from(note()).toString('base64')}`)
  if (i % 7 === 0) advance(store.rows)
  if (i % 11 === 0) await rotate()
  if (i % 13 === 0) await store.blocks.put(new Uint8Array(1000).fill(i))
}
