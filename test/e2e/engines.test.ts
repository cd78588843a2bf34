import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { PURPOSE, TestMesh } from './mesh.ts'
import { compileModules, type Modules } from './modules.ts'

const mesh = new TestMesh()
let modules: Modules
beforeAll(async () => {
  modules = await compileModules(['echo'])
})
afterEach(() => mesh.stop())
afterAll(() => modules.remove())

describe('askee submit --engines', () => {
  it('CMP-3 asks the agent for two engines, or for any', async () => {
    const { client } = await mesh.start('requester', [], ['--executor', 'portable'])
    const submit = [
      'submit',
      modules.path('echo'),
      '--data',
      join(mesh.directory, 'requester'),
      '--purpose',
      PURPOSE,
      '--json',
    ]
    const asked = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await askee([...submit, ...args])
      expect(code, stderr).toBe(0)
      return (await client.campaign(JSON.parse(stdout).campaign)).engines
    }
    expect(await asked('--engines', 'diverse')).toBe('diverse')
    expect(await asked('--engines', 'any')).toBe('any')
    expect(await asked()).toBe('any')
    expect((await askee([...submit, '--engines', 'many'])).code).toBe(2)
  })
})

describe('askee campaigns', () => {
  it('CLI-1 CMP-2 cancels a campaign by the beginning of its id, and it stays so after kill -9', async () => {
    const { kill } = await mesh.start('requester', [], ['--executor', 'portable'])
    const at = ['--data', join(mesh.directory, 'requester')]
    const json = async (...args: string[]) => {
      const { code, stdout } = await askee([...args, ...at, '--json'])
      return { code, said: JSON.parse(stdout) }
    }
    const { said } = await json('submit', modules.path('echo'), '--purpose', PURPOSE)
    const start = said.campaign.slice(0, 8)
    const cancelled = await json('campaigns', 'cancel', start, '--reason', 'a wrong input')
    expect(cancelled).toMatchObject({
      code: 0,
      said: { id: said.campaign, state: 'cancelled', cancelled: 'a wrong input' },
    })
    await kill()
    const { client } = await mesh.start('requester', [], ['--executor', 'portable'])
    expect(await client.campaigns()).toMatchObject([{ id: said.campaign, state: 'cancelled', undecided: 1 }])
    expect((await client.status()).campaigns).toEqual({ running: [], over: 1 })
    // Who waits for it is told, and a second time is no error; what is not there is one.
    const results = await askee(['results', start, ...at])
    expect(results.code).toBe(1)
    expect(results.stdout).toContain('cancelled: a wrong input')
    expect((await askee(['campaigns', ...at])).stdout).toMatch(new RegExp(`^${start}.* cancelled `, 'm'))
    expect((await json('campaigns', 'cancel', said.campaign)).code).toBe(0)
    expect((await json('campaigns', 'cancel', 'ffff')).said.error.code).toBe('compute/unknown-campaign')
  }, 120_000)
})
