import { join } from 'node:path'
import { leafHash, openCheckpoint, verifyInclusion } from '@askee/audit'
import { fromHex } from '@askee/core'
import { afterEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, TestMesh } from './mesh.ts'

const mesh = new TestMesh()
afterEach(() => mesh.stop())

describe('askee audit', () => {
  it('AUD-1 shows, verifies and proves what was done, by command', async () => {
    const requester = await mesh.start('requester')
    const worker = await mesh.start('worker', requester.addresses)
    const data = ['--data', join(mesh.directory, 'worker')]
    const audit = (...args: string[]) => askee(['audit', ...args, ...data])
    const json = async (...args: string[]) => JSON.parse((await audit(...args, '--json')).stdout)
    await grant(worker, requester)
    const consent = (await worker.client.consents())[0]?.id as string

    const page = await json('log', '--about', consent)
    expect(page.entries.map(({ action }: { action: string }) => action)).toContain('consent.granted')
    expect((await json('log', '--limit', '1')).before).toBe(page.size - 1)
    const text = await audit('log')
    expect(text.stdout).toContain('consent.granted')
    expect((await audit('log', '--limit', '0')).code).toBe(2)

    const { index } = page.entries[0]
    const proof = await json('prove', String(index))
    const checkpoint = openCheckpoint(proof.note)
    expect(checkpoint).toMatchObject({ origin: worker.node, size: proof.size })
    const leaf = leafHash(fromHex(proof.entry))
    expect(verifyInclusion(leaf, index, proof.size, proof.hashes.map(fromHex), checkpoint.root)).toBe(true)
    expect((await audit('prove', '4711')).code).toBe(6)

    expect(await json('verify')).toMatchObject({ entries: page.size, findings: [], alarms: [] })
    const verified = await audit('verify')
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing was changed') })
  }, 120_000)
})
