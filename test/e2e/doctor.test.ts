import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { locateNative } from '@askee/sandbox'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { TestMesh } from './mesh.ts'

interface Layer {
  name: string
  state: 'enforced' | 'missing'
  detail: string
}

/** What the tests read of `askee doctor --json`. */
interface Diagnosis {
  node: { version: string; platform: string; arch: string }
  executor: { name: string; engine: string; tier: string; report: Layer[]; reason?: string } | null
  engines: { engine: string; version: string | null; tier: string | null; problem: string | null }[]
  problem: string | null
  missing: { name: string; detail: string; remedy: string }[]
  dataDirectory: { path: string; state: string }
  agent: { node: string; peers: number } | null
}

const mesh = new TestMesh()
const directory = mkdtempSync(join(tmpdir(), 'askee-doctor-'))
afterEach(() => mesh.stop())
afterAll(() => rmSync(directory, { recursive: true }))

const NOBODY = join(directory, 'nobody')
/** As on a machine where nothing native was built or installed. */
const WITHOUT_NATIVE = { ASKEE_NATIVE_DIR: join(directory, 'nothing-here') }

async function diagnose(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; diagnosis: Diagnosis }> {
  const { code, stdout, stderr } = await askee(['doctor', '--json', ...args], environment)
  expect(stdout.trim().split('\n'), stderr).toHaveLength(1)
  return { code, diagnosis: JSON.parse(stdout) }
}

/** What is missing, and only that, has a remedy. */
function expectRemedies({ executor, missing }: Diagnosis): void {
  const absent = executor?.report.filter(({ state }) => state === 'missing') ?? []
  expect(missing.map(({ name }) => name)).toEqual(absent.map(({ name }) => name))
  for (const { remedy } of missing) expect(remedy).not.toBe('')
}

describe('askee doctor', () => {
  it('SBX-3 says without a native build that tasks run on the portable executor, why, and what would bring more', async () => {
    const { code, diagnosis } = await diagnose(['--data', NOBODY], WITHOUT_NATIVE)
    expect(code).toBe(0)
    const { version, platform, arch } = process
    expect(diagnosis).toMatchObject({
      node: { version, platform, arch },
      executor: { name: 'portable', engine: 'v8', tier: 'process' },
      engines: [
        { engine: 'wasmtime', tier: null, problem: expect.stringContaining('native containment') },
        { engine: 'v8', tier: 'process', problem: null },
      ],
      problem: null,
      dataDirectory: { path: NOBODY, state: expect.stringContaining('does not exist yet') },
      agent: null,
    })
    expect(diagnosis.executor?.reason).toContain('native containment is missing')
    expectRemedies(diagnosis)
    const remedies = new Map(diagnosis.missing.map(({ name, remedy }) => [name, remedy]))
    expect(remedies.get('kernel isolation')).toContain('build')
    expect(remedies.get('processor share')).toContain('build')
  })

  it('CLI-1 says the same to people', async () => {
    const { code, stdout } = await askee(['doctor', '--data', NOBODY], WITHOUT_NATIVE)
    expect(code).toBe(0)
    for (const line of [
      /^executor {4}portable: v8 \d/m,
      /^tier {8}process$/m,
      /^engines {5}no wasmtime: .*native containment/m,
      /^ {12}v8 \d.*, process: askee agent --executor v8$/m,
      /^why {9}native containment is missing/m,
      /^agent {7}not running$/m,
      /^✗ .*kernel isolation/m,
      /^✓ .*a process of its own for every task/m,
      /^- kernel isolation: build the native containment/m,
    ]) {
      expect(stdout).toMatch(line)
    }
  })

  it('SBX-3 fails where native containment is demanded and missing, and names the reason', async () => {
    const args = ['--data', NOBODY, '--executor', 'native']
    const { code, diagnosis } = await diagnose(args, WITHOUT_NATIVE)
    expect(code).toBe(1)
    expect(diagnosis).toMatchObject({ executor: null, missing: [] })
    expect(diagnosis.problem).toContain(WITHOUT_NATIVE.ASKEE_NATIVE_DIR)
    const told = await askee(['doctor', ...args], WITHOUT_NATIVE)
    expect(told.code).toBe(1)
    expect(told.stdout).toMatch(/^executor {4}none: .*native containment/m)
  })

  it.skipIf('missing' in locateNative())(
    'SBX-3 tells with a native build every layer of the warden, and a remedy for each that is missing',
    async () => {
      const { code, diagnosis } = await diagnose(['--data', NOBODY, '--executor', 'native'])
      expect(code).toBe(0)
      expect(diagnosis.executor).toMatchObject({ name: 'native', engine: 'wasmtime' })
      expect(diagnosis.engines).toMatchObject([
        { engine: 'wasmtime', tier: diagnosis.executor?.tier, problem: null },
        { engine: 'v8', problem: null },
      ])
      expect(diagnosis.executor?.report.length).toBeGreaterThan(10)
      expect(diagnosis.executor?.report).toContainEqual(
        expect.objectContaining({ name: 'no-new-privileges', state: 'enforced' }),
      )
      expectRemedies(diagnosis)
    },
  )

  it('CLI-1 tells of the running agent what it runs tasks on, not what a new one would', async () => {
    const agent = await mesh.start('node', [], ['--executor', 'portable'])
    const data = join(mesh.directory, 'node')
    const { code, diagnosis } = await diagnose(['--data', data])
    expect(code).toBe(0)
    expect(diagnosis).toMatchObject({
      executor: { name: 'portable', reason: 'portable was asked for' },
      dataDirectory: { path: data, state: 'writable' },
      agent: { node: agent.node, peers: 0 },
    })
    expectRemedies(diagnosis)
  })

  it.skipIf(process.platform === 'win32')(
    'CLI-1 warns of a data directory that others can enter, and of none',
    async () => {
      const open = join(directory, 'open')
      mkdirSync(open)
      chmodSync(open, 0o755)
      const file = join(directory, 'file')
      writeFileSync(file, '')
      for (const [path, state] of [
        [open, 'other users can enter it'],
        [file, 'not a directory'],
      ] as const) {
        const { diagnosis } = await diagnose(['--data', path], WITHOUT_NATIVE)
        expect(diagnosis.dataDirectory).toEqual({ path, state: expect.stringContaining(state) })
      }
    },
  )
})
