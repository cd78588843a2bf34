import { execFile } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNativeExecutor, locateNative } from '../src/index.ts'
import { countedTask, outcomeOf, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

const run = promisify(execFile)
const PACK = fileURLToPath(new URL('../../../scripts/pack-native.ts', import.meta.url))
const NAME = `@askee/native-${process.platform}-${process.arch}`
const PATIENCE = 240_000
const built = locateNative({})

describe.skipIf('missing' in built)('the optional package of this system', () => {
  const folder = mkdtempSync(join(tmpdir(), 'askee-shipped-'))
  const installed = join(folder, 'node_modules', NAME)
  const places = { built: join(folder, 'nothing-built'), shippedBeside: join(folder, 'agent.js') }
  let tarball = ''

  beforeAll(async () => {
    if ('missing' in built) return
    // Others build while tests run: what is packed is a copy.
    const from = join(folder, 'built')
    mkdirSync(from)
    const seal = process.platform === 'linux' ? [join(dirname(built.warden), 'libaskee_seal.so')] : []
    for (const path of [built.warden, built.runner, ...seal])
      cpSync(path, join(from, path.split(/[\\/]/).at(-1)!))
    const { stdout } = await run(process.execPath, [PACK, '--from', from, '--out', folder])
    tarball = stdout.trim()
    writeFileSync(join(folder, 'package.json'), '{ "name": "somebody", "private": true }\n')
  }, PATIENCE)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function install(): Promise<void> {
    rmSync(join(folder, 'node_modules'), { recursive: true, force: true })
    const args = ['install', '--offline', '--no-audit', '--no-fund', '--no-package-lock', tarball]
    await run('npm', args, { cwd: folder, shell: process.platform === 'win32' })
  }

  it(
    'SBX-1 is packed, installed by npm, found, and holds a task',
    async () => {
      expect(locateNative({}, places)).toEqual({ missing: expect.stringContaining(NAME) })
      await install()
      const binaries = locateNative({}, places)
      if ('missing' in binaries) throw new Error(binaries.missing)
      expect(dirname(binaries.warden)).toBe(join(installed, 'bin'))
      const executor = createNativeExecutor(components, { binaries, spares: 0, startTimeout: PATIENCE })
      await executor.start()
      try {
        expect(executor.describe().engine).toBe('wasmtime')
        const module = await countedTask('')
        expect(told(await outcomeOf(executor, module))).toMatch(/^[0-9a-f]* null \d+$/)
      } finally {
        await executor.stop()
      }
    },
    PATIENCE,
  )

  it(
    'SBX-3 is not used when it is damaged, incomplete or of another version, and says so',
    async () => {
      await install()
      const manifest = join(installed, 'askee-native.json')
      const intact = readFileSync(manifest, 'utf8')
      const seen = () => (locateNative({}, places) as { missing: string }).missing
      writeFileSync(manifest, intact.replace(/"version": "[^"]*"/, '"version": "0.0.1"'))
      expect(seen()).toMatch(/version 0\.0\.1, expected/)
      writeFileSync(manifest, '{}')
      expect(seen()).toMatch(/no digests/)
      writeFileSync(manifest, intact)
      expect(locateNative({}, places)).toHaveProperty('runner')
      const seal = join(installed, 'bin', 'libaskee_seal.so')
      if (process.platform === 'linux') {
        appendFileSync(seal, 'x')
        expect(seen()).toMatch(/is damaged: libaskee_seal\.so/)
        await install()
      }
      const runner = join(installed, 'bin', (built as { runner: string }).runner.split(/[\\/]/).at(-1)!)
      chmodSync(runner, 0o755)
      appendFileSync(runner, 'x')
      expect(seen()).toMatch(/is damaged/)
      rmSync(runner)
      expect(seen()).toMatch(/cannot be read/)
    },
    PATIENCE,
  )

  it('SBX-1 is looked for only where nothing was built', () => {
    expect(locateNative({}, { ...places, built: dirname((built as { warden: string }).warden) })).toEqual(
      built,
    )
  })

  it('SBX-1 refuses to pack programs that could not run on that system', async () => {
    const elsewhere = process.platform === 'linux' && process.arch === 'x64' ? 'linux-arm64' : 'linux-x64'
    await expect(
      run(process.execPath, [
        PACK,
        '--platform',
        elsewhere,
        '--from',
        join(folder, 'built'),
        '--out',
        folder,
      ]),
    ).rejects.toThrow(/is not for/)
    const dynamic = join(folder, 'dynamic')
    mkdirSync(dynamic)
    for (const name of ['askee-warden', 'askee-runner']) cpSync(process.execPath, join(dynamic, name))
    if (process.platform !== 'linux') return
    await expect(run(process.execPath, [PACK, '--from', dynamic, '--out', folder])).rejects.toThrow(
      /linked dynamically/,
    )
  })
})
