/**
 * Writes to a store until it is killed, and says on standard output what it was told is written: `row 7`, `field 3`.
 * Arguments: folder of the store, file of the device key, first number, mode (`write` | `encrypt`).
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { advance, openDatabase } from '../../src/index.ts'
import { addField, addRow, openWholeStore, PLAIN_SCHEMA } from './whole-store.ts'

const [directory, device, first, mode] = process.argv.slice(2) as [string, string, string, string]
const say = (text: string): void => void writeSync(1, `${text}\n`)

say('start')
if (mode === 'encrypt') {
  openDatabase(join(directory, 'plain.db'), PLAIN_SCHEMA, {
    key: new Uint8Array(32).fill(7),
    plain: 'encrypt',
  })
  say('done')
} else {
  const store = await openWholeStore(directory, device)
  say('open')
  for (let i = Number(first); ; i++) {
    addRow(store, i)
    say(`row ${i}`)
    if (i % 3 === 0) {
      addField(store, `${i}`)
      say(`field ${i}`)
    }
    if (i % 7 === 0) advance(store.rows)
    if (i % 11 === 0) await store.vault.rotate()
    if (i % 13 === 0) await store.blocks.put(new Uint8Array(1000).fill(i))
  }
}
