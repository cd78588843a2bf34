import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AskeeError } from '@askee/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readElf } from '../src/v8/elf.ts'
import { listV8Files } from '../src/v8/files.ts'
import { CHILD } from '../src/v8/flags.ts'

describe.runIf(process.platform === 'linux')("the files of V8's runner", () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'askee-elf-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('SBX-2 are the libraries that program and libraries name, the script and what seals it, and no other', async () => {
    const init = { program: process.execPath, child: CHILD, seal: join(folder, 'seal.so') }
    const { interpreter, files } = await listV8Files(init)
    const program = await readElf(process.execPath)
    expect(interpreter?.outside).toBe(program.interpreter)
    const libraries = files.filter(({ inside }) => inside.startsWith('/lib/'))
    const named = new Set(libraries.map(({ inside }) => inside.slice('/lib/'.length)))
    const needed = new Set(program.libraries)
    for (const { outside } of libraries)
      for (const name of (await readElf(outside)).libraries) needed.add(name)
    const loader = program.interpreter?.split('/').at(-1)
    expect([...named].sort()).toEqual([...needed].filter((name) => name !== loader).sort())
    const others = files.filter(({ inside }) => !inside.startsWith('/lib/')).map(({ inside }) => inside)
    expect(others.sort()).toEqual(
      ['host', 'main', 'pipes', 'state', 'warm-up']
        .map((name) => `/runner/${name}.cjs`)
        .concat('/runner/seal.node')
        .sort(),
    )
  })

  it('SBX-2 are not listed when the program is none', async () => {
    const script = join(folder, 'node')
    await writeFile(script, '#!/bin/sh\nexec node "$@"\n'.padEnd(100))
    const init = { program: script, child: CHILD, seal: script }
    await expect(listV8Files(init)).rejects.toMatchObject({ code: 'sandbox/elf' })
  })

  it('SBX-4 damaged headers are refused, and nothing else happens', async () => {
    const { interpreter } = await readElf(process.execPath)
    const whole = await readFile(interpreter ?? process.execPath)
    const path = join(folder, 'damaged')
    const damage = fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(whole.length), async (changes, length) => {
        const bytes = Buffer.from(whole.subarray(0, length))
        for (const [at, value] of changes) if (at < length) bytes[at] = value
        await writeFile(path, bytes)
        const error = await readElf(path).then(
          () => null,
          (thrown: unknown) => thrown,
        )
        expect(error === null || (error instanceof AskeeError && error.code === 'sandbox/elf')).toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})
