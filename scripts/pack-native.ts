/**
 * Packs warden and runner (on Linux also what seals V8's) for one system into a tarball for npm, after the manifest in installers/npm/<platform>-<arch>.
 * - `--platform linux-x64`: for which system; default: this one;
 * - `--from DIRECTORY`: where the two programs are; default: where `node scripts/build-native.ts` puts them;
 * - `--out DIRECTORY`: where the tarball goes; default: dist/native.
 * Prints the tarball's path. Programs that could not run there (another processor, linked dynamically on Linux) are refused.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { flawOfProgram } from './program-format.ts'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const { values } = parseArgs({
  options: {
    platform: { type: 'string', default: `${process.platform}-${process.arch}` },
    from: { type: 'string', default: join(ROOT, 'native-sandbox/target/release') },
    out: { type: 'string', default: join(ROOT, 'dist/native') },
  },
})
const suffix = values.platform.startsWith('win32-') ? '.exe' : ''
const programs = [`askee-warden${suffix}`, `askee-runner${suffix}`]
// A library, for Node to load: V8 is held on Linux only.
if (values.platform.startsWith('linux-')) programs.push('libaskee_seal.so')

const stage = mkdtempSync(join(tmpdir(), 'askee-pack-'))
try {
  process.stdout.write(`${pack()}\n`)
} finally {
  rmSync(stage, { recursive: true, force: true })
}

function pack(): string {
  const manifest = manifestOf(values.platform)
  const sha256: Record<string, string> = {}
  mkdirSync(join(stage, 'bin'))
  for (const name of programs) {
    const bytes = read(join(values.from, name))
    const flaw = flawOfProgram(bytes, values.platform)
    if (flaw !== null) fail(`${name} is not for ${values.platform}: ${flaw}`)
    sha256[name] = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(stage, 'bin', name), bytes)
    chmodSync(join(stage, 'bin', name), 0o755)
  }
  const digests = { version: manifest.version, sha256 }
  writeFileSync(join(stage, 'askee-native.json'), `${JSON.stringify(digests, null, 2)}\n`)
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) cpSync(join(ROOT, licence), join(stage, licence))
  const out = resolve(values.out)
  mkdirSync(out, { recursive: true })
  return join(out, npmPack(out))
}

function manifestOf(platform: string): { readonly version: string } {
  const path = join(ROOT, 'installers/npm', platform, 'package.json')
  const text = read(path)
  writeFileSync(join(stage, 'package.json'), text)
  return JSON.parse(text.toString())
}

/** @returns the tarball's name */
function npmPack(out: string): string {
  const args = ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', out]
  const isWindows = process.platform === 'win32'
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: stage,
    encoding: 'utf8',
    shell: isWindows,
  })
  if (status !== 0) fail(`npm pack: ${stderr}`)
  const packed: unknown = JSON.parse(stdout)
  // An array of packages before npm 12, an object by name from then on.
  const [first] = Object.values(packed as Record<string, { readonly filename: string }>)
  return first?.filename ?? fail(`npm pack said ${stdout}`)
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return fail(`${path} is missing`)
  }
}

function fail(text: string): never {
  rmSync(stage, { recursive: true, force: true })
  process.stderr.write(`nothing was packed: ${text}\n`)
  process.exit(1)
}
