/**
 * Type-checks warden and runner for macOS and links them for Windows, on any system; nothing of it is run.
 *
 * Where rustup brought a target, that is used. Otherwise the standard library is built from its source: Debian's
 * rustc-web and rust-web-src bring it with its crates, and gcc-mingw-w64-x86-64 the linker (installed when we are root
 * on such a system). Without the crates registry only the warden, which needs none, is looked at.
 * - `--optional`: what is missing is a message and not a failure; code that does not compile always is one.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const WORKSPACE = fileURLToPath(new URL('../native-sandbox/', import.meta.url))
const TARGETS = join(WORKSPACE, 'target/check')
const PACKAGES = ['rustc-web', 'rust-web-src', 'gcc-mingw-w64-x86-64']
const MINGW = 'x86_64-w64-mingw32-gcc'
const isOptional = process.argv.includes('--optional')

interface Target {
  readonly triple: string
  readonly directory: string
  /** `build` links as well. */
  readonly command: 'check' | 'build'
}

/** How to compile for a target: a compiler, and its library's source when the library must be built. */
interface Compiler {
  readonly rustc: string
  readonly library: string | null
}

const missing: string[] = []
let failed = false

const cargo = [join(homedir(), '.cargo/bin/cargo'), 'cargo'].find(answers)
if (cargo === undefined) missing.push('cargo is not installed (https://rustup.rs)')
else {
  checkTarget(cargo, { triple: 'aarch64-apple-darwin', directory: 'macos', command: 'check' })
  const command = canLinkForWindows() ? 'build' : 'check'
  checkTarget(cargo, { triple: 'x86_64-pc-windows-gnu', directory: 'windows', command })
  if (command === 'check') missing.push(`linking for Windows: no ${MINGW}`)
}
for (const reason of missing) tell(`not done   ${reason}`)
tell('Compiled is not run: docs/containment.md says what to run on macOS and Windows.')
process.exit(failed || (missing.length > 0 && !isOptional) ? 1 : 0)

function checkTarget(cargo: string, target: Target): void {
  const compiler = compilerFor(target.triple)
  if (compiler === null) {
    missing.push(
      `${target.triple}: neither rustup's target nor the library's source (${PACKAGES.join(', ')})`,
    )
    return
  }
  if (fetches(cargo, target, compiler)) {
    compile(cargo, target, compiler, WORKSPACE, 'askee-warden')
    compile(cargo, target, compiler, WORKSPACE, 'askee-runner')
    return
  }
  // In a directory of its own: a library made of other copies of its crates would make everything else anew.
  const alone = { ...target, directory: `${target.directory}-alone` }
  compile(cargo, alone, compiler, wardenAlone(), 'askee-warden')
  missing.push(`askee-runner for ${target.triple}: the crates registry does not answer`)
}

/** The first compiler that has the target, or the source to build it from. */
function compilerFor(triple: string): Compiler | null {
  const find = (): Compiler | null => {
    for (const rustc of ['rustc', '/usr/bin/rustc'].filter(answers)) {
      const libraries = said(rustc, '--print', 'target-libdir', '--target', triple)
      if (libraries !== '' && existsSync(libraries)) return { rustc, library: null }
      const library = join(said(rustc, '--print', 'sysroot'), 'lib/rustlib/src/rust/library')
      if (existsSync(join(library, 'Cargo.lock'))) return { rustc, library }
    }
    return null
  }
  return find() ?? (installs(PACKAGES) ? find() : null)
}

function canLinkForWindows(): boolean {
  return answers(MINGW) || (installs([PACKAGES[2] ?? '']) && answers(MINGW))
}

/** Debian's packages, when they can be had without a question. */
function installs(packages: readonly string[]): boolean {
  if (process.getuid?.() !== 0 || !answers('apt-get')) return false
  tell(`installing ${packages.join(' ')}`)
  const options = ['install', '-y', '-qq', '--no-install-recommends', ...packages]
  return spawnSync('apt-get', options, { stdio: 'ignore' }).status === 0
}

function options(target: Target, { library }: Compiler): string[] {
  const own = ['--target', target.triple, '--target-dir', join(TARGETS, target.directory)]
  return library === null ? own : [...own, '-Zbuild-std=std,panic_abort']
}

function environment(target: Target, { rustc, library }: Compiler): NodeJS.ProcessEnv {
  const own: NodeJS.ProcessEnv = { RUSTC: rustc }
  // A linked program with what debuggers want would be ten times as large.
  if (target.command === 'build') own.CARGO_PROFILE_DEV_DEBUG = '0'
  // wasmtime has one small C file, and Apple's compiler is on Apple's systems only. Checking links nothing.
  else if (process.platform !== 'darwin') own[`CC_${target.triple.replaceAll('-', '_')}`] = emptyObjects()
  // Building the library is an option of nightly compilers only.
  if (library !== null) own.RUSTC_BOOTSTRAP = '1'
  return { ...process.env, ...own }
}

/** A compiler of C that makes empty objects. */
function emptyObjects(): string {
  const path = join(TARGETS, 'empty-objects')
  // The `cc` crate, which cannot tell what compiler this is, may write the option in Microsoft's way.
  const text = `#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -o) : > "$2" ;;
    -Fo*) : > "\${1#-Fo}" ;;
  esac
  shift
done
`
  mkdirSync(TARGETS, { recursive: true })
  writeFileSync(path, text, { mode: 0o755 })
  return path
}

/** Whether everything that runner and library need is here or can be had. */
function fetches(cargo: string, target: Target, compiler: Compiler): boolean {
  const library = compiler.library === null ? [] : ['-Zbuild-std=std,panic_abort']
  const { status } = spawnSync(
    cargo,
    ['fetch', '--locked', '--quiet', '--target', target.triple, ...library],
    {
      cwd: WORKSPACE,
      env: environment(target, compiler),
      stdio: 'ignore',
    },
  )
  return status === 0
}

/** A workspace of the crates that need no others. */
function wardenAlone(): string {
  const workspace = join(TARGETS, 'warden-alone')
  rmSync(workspace, { recursive: true, force: true })
  mkdirSync(workspace, { recursive: true })
  const manifest = readFileSync(join(WORKSPACE, 'Cargo.toml'), 'utf8')
  const members = 'members = ["filter", "warden"]'
  writeFileSync(join(workspace, 'Cargo.toml'), manifest.replace(/members = \[.*\]/, members))
  for (const crate of ['filter', 'warden']) symlinkSync(join(WORKSPACE, crate), join(workspace, crate))
  return workspace
}

function compile(cargo: string, target: Target, compiler: Compiler, workspace: string, name: string): void {
  const begun = performance.now()
  const isWhole = workspace === WORKSPACE
  // The library's own crates lie beside it; nothing is asked of a registry then.
  const vendored = `source.vendored.directory=${JSON.stringify(join(compiler.library ?? '', 'vendor'))}`
  const source = ['--config', 'source.crates-io.replace-with="vendored"', '--config', vendored]
  const { status, stderr } = spawnSync(
    cargo,
    [
      target.command,
      ...options(target, compiler),
      ...(isWhole ? ['--locked'] : ['--offline', ...(compiler.library === null ? [] : source)]),
      '--package',
      name,
      '--bin',
      name,
    ],
    { cwd: workspace, env: environment(target, compiler), encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  if (status !== 0) {
    failed = true
    process.stderr.write(stderr)
    tell(`FAILED     ${name} for ${target.triple}`)
    return
  }
  const how = target.command === 'build' ? `linked     ${program(target, name)}` : `checked    ${name}`
  tell(`${how} for ${target.triple}, ${seconds} s`)
}

/** The linked program, which must be one of Windows. */
function program(target: Target, name: string): string {
  const path = join(TARGETS, target.directory, target.triple, 'debug', `${name}.exe`)
  if (readFileSync(path).subarray(0, 2).toString('latin1') !== 'MZ') {
    failed = true
    return `${name}: not a program of Windows`
  }
  return `${relative(WORKSPACE, path)} (${(statSync(path).size / 1e6).toFixed(1)} MB)`
}

function answers(command: string): boolean {
  return spawnSync(command, ['--version'], { cwd: WORKSPACE, stdio: 'ignore' }).status === 0
}

function said(command: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(command, args, { cwd: WORKSPACE, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : ''
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}
