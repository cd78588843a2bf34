/** A kernel with cgroup controllers and the machine it boots on. Nothing here installs a kernel. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/askee-cgroup/', import.meta.url))
const QEMU = '/usr/bin/qemu-system-x86_64'
const KERNEL_PACKAGE = 'linux-image-cloud-amd64'
const MEMORY_MIB = 768

export interface Kernel {
  readonly image: string
  /** Paths of modules, in the order they are to be loaded. */
  readonly modules: readonly string[]
}

export class NotHere extends Error {}

/** Whether what is not there may be installed: only whoever asks for just this, and CI, wants that of a test. */
export type Installs = 'installs' | 'leaves the system alone'

/** @throws NotHere with the reason why this machine cannot boot another one */
export function obtainKernel(installs: Installs): Kernel {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new NotHere('needs Linux on x86-64')
  if (!existsSync(QEMU)) installQemu(installs)
  const root = join(CACHE, 'kernel')
  if (imageIn(root) === null) download(root)
  const image = imageIn(root)
  if (image === null) throw new NotHere(`no kernel in ${KERNEL_PACKAGE}`)
  return { image, modules: withDependencies(modulesIn(root), 'virtio_pci', 'virtio_blk') }
}

function installQemu(installs: Installs): void {
  if (installs !== 'installs')
    throw new NotHere('qemu-system-x86 is not installed; `npm run test:cgroup` installs it')
  if (process.getuid?.() !== 0)
    throw new NotHere('qemu-system-x86 is not installed, and only root can install it')
  const args = ['install', '--yes', '--no-install-recommends', 'qemu-system-x86']
  run('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

/** The package depends on the newest kernel of its kind; that one is unpacked, not installed. */
function download(root: string): void {
  mkdirSync(root, { recursive: true })
  const depends = run('apt-cache', ['depends', KERNEL_PACKAGE])
  const name = /Depends: (linux-image-[\w.+-]+)/.exec(depends)?.[1]
  if (name === undefined) throw new NotHere(`apt knows no ${KERNEL_PACKAGE}`)
  run('apt-get', ['download', name], { cwd: CACHE })
  const file = readdirSync(CACHE).find((each) => each.startsWith(`${name}_`) && each.endsWith('.deb'))
  if (file === undefined) throw new NotHere(`apt brought no ${name}`)
  run('dpkg-deb', ['--extract', join(CACHE, file), root])
}

function run(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    ...options,
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status === 0) return stdout
  throw new NotHere(`${basename(file)} ${args[0]}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`)
}

function imageIn(root: string): string | null {
  const boot = join(root, 'boot')
  if (!existsSync(boot)) return null
  const name = readdirSync(boot).find((each) => each.startsWith('vmlinuz-'))
  return name === undefined ? null : join(boot, name)
}

function modulesIn(root: string): ReadonlyMap<string, string> {
  const files = readdirSync(join(root, 'lib/modules'), { recursive: true, encoding: 'utf8' })
  const paths = files.filter((file) => file.endsWith('.ko')).map((file) => join(root, 'lib/modules', file))
  return new Map(paths.map((path) => [basename(path, '.ko').replaceAll('-', '_'), path]))
}

/** Each module after those it names in its own `depends`: depmod has not run over them. */
function withDependencies(all: ReadonlyMap<string, string>, ...names: readonly string[]): string[] {
  const ordered = new Set<string>()
  const add = (name: string) => {
    const path = all.get(name.replaceAll('-', '_'))
    if (path === undefined || ordered.has(path)) return
    const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(path, 'latin1'))?.[1] ?? ''
    for (const each of depends.split(',')) if (each !== '') add(each)
    ordered.add(path)
  }
  for (const name of names) add(name)
  return [...ordered]
}

export interface Boot {
  readonly kernel: Kernel
  readonly initramfs: string
  /** A disk, of zeros. */
  readonly disk: string
  /** Ends it, whatever it does, after so many milliseconds. */
  readonly patience: number
  onLine(line: string): void
}

/** One processor: what a task gets there, nobody else has. Resolves when the machine is off; false when it had to be ended. */
export function boot({ kernel, initramfs, disk, patience, onLine }: Boot): Promise<boolean> {
  const args = [
    ...['-machine', 'q35', '-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(MEMORY_MIB)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', kernel.image, '-initrd', initramfs],
    ...['-append', 'console=ttyS0 quiet panic=-1 rdinit=/init cgroup_no_v1=all'],
    ...['-drive', `file=${disk},format=raw,if=none,id=disk,cache=writeback`],
    ...['-device', 'virtio-blk-pci,drive=disk'],
  ]
  const qemu = spawn(QEMU, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let rest = ''
  qemu.stdout.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString('latin1')).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  let isInTime = true
  const timer = setTimeout(() => {
    isInTime = false
    qemu.kill('SIGKILL')
  }, patience)
  const end = () => void qemu.kill('SIGKILL')
  process.once('exit', end)
  return new Promise((resolve) => {
    qemu.once('error', () => undefined)
    qemu.once('close', () => {
      clearTimeout(timer)
      process.off('exit', end)
      resolve(isInTime)
    })
  })
}
