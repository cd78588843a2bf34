import { readFileSync, writeFileSync } from 'node:fs'
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

  it('AUD-3 exports to a file that is verified without an agent', async () => {
    const worker = await mesh.start('exporter')
    await grant(worker, worker)
    const file = join(mesh.directory, 'log.askee')
    const data = ['--data', join(mesh.directory, 'exporter'), '--json']
    const make = () => askee(['audit', 'export', file, '--reason', 'asked for by a court', ...data])
    const made = JSON.parse((await make()).stdout)
    const again = await make()
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('it is there already') })
    await worker.stop()

    const verify = (...args: string[]) => askee(['audit', 'verify-export', file, ...args])
    const verified = JSON.parse((await verify('--node', worker.node, '--json', '--entries')).stdout)
    expect(verified).toMatchObject({ valid: true, node: worker.node, number: 1, digest: made.digest })
    expect(verified.entries.map(({ action }: { action: string }) => action)).toContain('consent.granted')
    expect((await verify()).stdout).toContain('nothing was changed')

    const bytes = readFileSync(file)
    bytes[bytes.byteLength >> 1]! ^= 1
    writeFileSync(file, bytes)
    const refused = await verify('--json')
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout).error.code).toMatch(/^audit\/export-/)
  }, 120_000)

  it('AUD-2 checks rules, purges, holds and erases, by command', async () => {
    const worker = await mesh.start('ruled')
    await grant(worker, worker)
    const consent = (await worker.client.consents())[0]?.id as string
    const data = ['--data', join(mesh.directory, 'ruled'), '--json']
    const audit = (...args: string[]) => askee(['audit', ...args, ...data])
    const json = async (...args: string[]) => JSON.parse((await audit(...args)).stdout)

    const checked = await audit('compliance', '--profile', 'gdpr')
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.stdout)).toMatchObject({ profiles: [{ id: 'gdpr', findings: [] }], holds: 0 })
    expect((await audit('compliance', '--profile', 'iso')).code).toBe(6)
    expect(await json('purge', '--profile', 'gdpr')).toEqual([])

    const { hold } = await json('hold', consent, '--reason', 'case 12')
    expect(await json('erase', consent, '--reason', 'asked for')).toMatchObject({
      error: { code: 'audit/legal-hold' },
    })
    await json('release', consent, '--hold', String(hold), '--reason', 'closed')
    const erased = await json('erase', consent, '--reason', 'asked for')
    expect(erased.contents).toBeGreaterThan(1)
    const [removal] = await json('removals')
    expect(removal).toMatchObject({
      index: erased.receipt.index,
      kind: 'erased',
      count: erased.contents,
      left: 0,
    })
    const proof = join(mesh.directory, 'proof.askee')
    expect(await audit('export', proof, '--removal', '0', '--reason', 'x')).toMatchObject({ code: 2 })
    await json('export', proof, '--removal', String(removal.index), '--reason', 'the person wants to see it')
    const proven = JSON.parse((await askee(['audit', 'verify-export', proof, '--json'])).stdout)
    expect(proven).toMatchObject({
      valid: true,
      removals: [{ index: removal.index, count: erased.contents }],
    })
    expect((await askee(['audit', 'verify-export', proof])).stdout).toMatch(
      /^erased +the contents of \d+ entries/m,
    )
    // HIPAA lets nobody ask for that within six years.
    const early = await audit('compliance', '--profile', 'hipaa')
    expect(early.code).toBe(1)
    expect(JSON.parse(early.stdout).profiles[0].findings[0].code).toBe('compliance/gone-too-early')
    expect(await json('verify')).toMatchObject({ findings: [], contents: { erased: erased.contents } })
  }, 120_000)
})
