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
