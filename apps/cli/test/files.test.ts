import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readModule } from '../src/commands/files.ts'

const directory = mkdtempSync(join(tmpdir(), 'askee-files-'))
afterAll(() => rmSync(directory, { recursive: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

describe('a module that the command line names', () => {
  it('CLI-1 says how to compile WebAssembly text, by its name or by how it begins', async () => {
    const text = '(module (func))'
    for (const path of [
      file('task.wat', text),
      file('task', text),
      file('noted', `;; one\n(; two ;)\n  ${text}`),
    ]) {
      await expect(readModule(path)).rejects.toMatchObject({
        code: 'cli/usage',
        message: expect.stringMatching(new RegExp(`npx wat2wasm ${path} -o .*\\.wasm$`)),
      })
    }
  })

  it('CLI-1 takes a module as it is, and names the file that is none', async () => {
    const binary = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
    expect(await readModule(file('task.wasm', binary))).toEqual(binary)
    // A binary module under a wrong name is a module.
    expect(await readModule(file('binary.wat', binary))).toEqual(binary)
    await expect(readModule(file('junk', 'modules'))).rejects.toMatchObject({
      code: 'wasm/malformed',
      message: expect.stringMatching(/junk is no WebAssembly module.*docs\/determinism\.md/),
    })
    await expect(readModule(join(directory, 'none.wat'))).rejects.toThrow(/there is no such file/)
  })
})
