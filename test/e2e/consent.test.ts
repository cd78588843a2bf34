import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, PURPOSE, TestMesh, until } from './mesh.ts'
import { compileModules, type Modules } from './modules.ts'

const mesh = new TestMesh()
let modules: Modules
beforeAll(async () => {
  modules = await compileModules(['endless'])
  return () => modules.remove()
})
afterEach(() => mesh.stop())

describe('askee consent', () => {
  it('CON-3 goes from a signed offer to a grant that was narrowed, renewed, suspended and revoked', async () => {
    const requester = await mesh.start('requester')
    const worker = await mesh.start('worker', requester.addresses)
    const data = ['--data', join(mesh.directory, 'worker')]
    const consent = (...args: string[]) => askee(['consent', ...args, ...data])
    const json = async (...args: string[]) => JSON.parse((await consent(...args, '--json')).stdout)

    const offered = [
      '--purpose',
      'folding proteins',
      '--ram-mb',
      '512',
      '--name',
      'Lab',
      '--kinds',
      'data-processing',
    ]
    const offer = await askee(['consent', 'offer', '--data', join(mesh.directory, 'requester'), ...offered])
    const file = join(mesh.directory, 'manifest.jwt')
    writeFileSync(file, offer.stdout)
    const narrowed = ['grant', '--manifest', file, '--ram-mb', '128', '--cpu-percent', '10']
    const unasked = await consent(...narrowed)
    expect(unasked.code).toBe(5)
    for (const told of [requester.node, 'Lab', 'folding proteins', '128 MiB', '10 %', 'IP address']) {
      expect(unasked.stderr).toContain(told)
    }
    const hash = /Hash of these terms: ([0-9a-f]{64})/.exec(unasked.stderr)?.[1] as string
    // The same manifest with other choices is another text.
    expect((await consent('grant', '--manifest', file, '--accept-terms', hash)).code).toBe(5)
    const granted = await json(...narrowed, '--accept-terms', hash)
    expect(granted).toMatchObject({
      phase: 'granted',
      live: true,
      requester: requester.node,
      textDigest: hash,
    })
    const id = granted.id as string

    const wider = await askee(['consent', 'grant', '--manifest', file, ...data])
    expect(wider.stderr).toContain('MORE than you allow now: ram_mb_max: 128 → 512')
    expect(await json('show', id.slice(0, 8))).toMatchObject({
      id,
      limits: { ramMbMax: 128, cpuPercentMax: 10 },
    })
    expect((await consent('renew', id, '--ram-mb', '64')).code).toBe(0)
    expect(await json('list')).toMatchObject([{ id, phase: 'renewed', limits: { ramMbMax: 64 } }])
    expect((await consent('verify', id)).code).toBe(0)
    expect(await json('suspend', id, '--reason', 'a game')).toMatchObject({ phase: 'suspended', live: false })
    expect(await json('verify', id)).toMatchObject({ valid: false, code: 'consent/suspended' })
    expect(await json('resume', id)).toMatchObject({ live: true })
    expect(await json('revoke', id, '--reason', 'sold it')).toMatchObject({
      consents: [{ phase: 'revoked' }],
    })
    expect(await json('verify', id)).toMatchObject({ valid: false, code: 'consent/revoked' })
    expect((await consent('renew', id)).stderr).toContain('consent/phase')
    expect((await consent('show', 'ffffffff')).code).toBe(6)

    await until('the requester was told', async () =>
      (await json('history', id)).some((e: { act: string }) => e.act === 'told'),
    )
    const history = await json('history', id)
    const acts = history.map(({ act }: { act: string }) => act)
    const [begun, ended] = [
      ['invited', 'reviewed', 'granted'],
      ['renewed', 'suspended', 'resumed', 'revoked', 'erased', 'told'],
    ]
    expect(new Set(acts)).toEqual(new Set([...begun, ...ended]))
    expect(acts.indexOf('granted')).toBeGreaterThan(acts.indexOf('reviewed'))
    expect(acts.indexOf('revoked')).toBeGreaterThan(acts.indexOf('resumed'))
    expect(history.find(({ act }: { act: string }) => act === 'revoked').content.reason).toBe('sold it')
    expect(history.every(({ receipt }: { receipt: unknown }) => receipt !== null)).toBe(true)
    expect(worker.node).not.toBe(requester.node)
  }, 180_000)

  it('CON-5 revokes in mid task: processes die, data goes, the requester knows, and a restart brings nothing back', async () => {
    const requester = await mesh.start('requester')
    const worker = await mesh.start('worker', requester.addresses)
    await grant(worker, requester)
    const module = await requester.client.putBlock(readFileSync(modules.path('endless')))
    const input = await requester.client.putBlock(new Uint8Array(40_000))
    await requester.client.submit({
      purpose: PURPOSE,
      kind: 'scientific-compute',
      module,
      inputs: [input],
      resources: { fuel: '9000000000000000000', memoryBytes: 65_536, outputBytes: 16, wallTimeMs: 600_000 },
      f: 0,
      deadlineMs: 600_000,
      minReputation: 0,
    })
    const running = async (): Promise<boolean> =>
      (await worker.client.status()).worker.leases.some(({ state }) => state === 'running')
    await until('a task runs', running)
    const blocks = join(mesh.directory, 'worker', 'blocks')
    expect(filesIn(blocks)).not.toEqual([])
    const [held] = await worker.client.consents()
    const revoked = await worker.client.revoke(held?.id as string, 'a test')
    expect(revoked).toMatchObject({ stoppedTasks: 1, sharedBlocks: 0 })
    expect(revoked.erasedBlocks).toBeGreaterThan(0)
    expect(revoked.killMs).toBeGreaterThan(0)
    expect(filesIn(blocks)).toEqual([])
    expect(filesIn(join(mesh.directory, 'worker', 'compiled'))).toEqual([])
    expect((await worker.client.status()).worker.leases).toEqual([])
    await worker.kill()
    const again = await mesh.start('worker', requester.addresses)
    expect(await again.client.consents()).toMatchObject([{ phase: 'revoked', live: false }])
    expect((await again.client.status()).worker.leases).toEqual([])
  }, 180_000)

  it('CON-5 askee simulate --scenario revoke shows what a revocation leaves, and what the looks saw before', async () => {
    const args = ['simulate', '--scenario', 'revoke', '--nodes', '2', '--rounds', '3', '--json']
    const { stdout, stderr } = await askee(args)
    expect(stdout.trim().split('\n'), stderr).toHaveLength(1)
    const report = JSON.parse(stdout)
    // How long it takes is for a quiet machine to show; that it is measured is shown here.
    expect(report).toMatchObject({ scenario: 'revoke', nodes: 2, rounds: 3, recorded: 3, accused: 0 })
    expect(report).toMatchObject({ leftFiles: 0, leftTraces: 0, control: { nodesAccepting: 3 } })
    expect(report.control.files).toBeGreaterThan(0)
    expect(report.killMs.p99).toBeGreaterThan(0)
    expect(report.meshMs.max).toBeLessThan(30_000)
    expect(Object.keys(report.lostLeases)).toContain('consent/revoked')
    if (process.platform === 'linux') expect(report).toMatchObject({ leftProcesses: 0 })
  }, 240_000)
})

function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'key-check')
    .map((entry) => entry.name)
}
