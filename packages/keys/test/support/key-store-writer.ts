/** Replaces one secret again and again, and says each number once it is kept; the test kills it. */
import { systemRandom } from '@askee/core'
import { openKeyStore, openSoftwareDeviceKey } from '../../src/index.ts'

const [directory, keyPath, first] = process.argv.slice(2) as [string, string, string]
const deviceKey = await openSoftwareDeviceKey({ path: keyPath, random: systemRandom })
const store = await openKeyStore({ directory, deviceKey, random: systemRandom })
for (let number = Number(first); ; number++) {
  const bytes = new Uint8Array(1000).fill(number & 0xff)
  new DataView(bytes.buffer).setUint32(0, number)
  await store.replace('counter', bytes)
  process.stdout.write(`${number}\n`)
}
