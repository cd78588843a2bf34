import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@askee/core/testing'
import { AsyncEntry } from '@napi-rs/keyring'

/** Why no Secret Service can be started here, or undefined when it can. */
export function secretServiceMissing(): string | undefined {
  if (process.platform !== 'linux') return 'a Secret Service is started on Linux only'
  for (const program of ['dbus-daemon', 'gnome-keyring-daemon']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' })
    } catch {
      return `${program} is not installed (Debian: dbus, gnome-keyring)`
    }
  }
  return undefined
}

/** A bus that starts no service by itself: the system's would start another keychain, which nobody unlocked. */
const BUS = `<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
  <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>`

/** A bus and an unlocked keychain of this test file's own; the person's is not touched. */
export async function startSecretService(): Promise<() => void> {
  const home = mkdtempSync(join(tmpdir(), 'askee-keychain-'))
  const config = join(home, 'bus.conf')
  writeFileSync(config, BUS)
  const bus = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--print-address'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  process.env.DBUS_SESSION_BUS_ADDRESS = await firstLine(bus)
  const folders = ['HOME', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME']
  const keyring = spawn('gnome-keyring-daemon', ['--unlock', '--foreground', '--components=secrets'], {
    env: { ...process.env, ...Object.fromEntries(folders.map((name) => [name, home])) },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  keyring.stdin?.end('test')
  await eventually(async () => {
    const probe = new AsyncEntry('askee-test', 'probe', { linux: { store: 'secret-service' } })
    await probe.setPassword('ready')
  })
  return () => {
    keyring.kill()
    bus.kill()
    delete process.env.DBUS_SESSION_BUS_ADDRESS
    rmSync(home, { recursive: true, force: true })
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (data) => resolve(String(data).trim()))
    child.once('error', reject)
    child.once('exit', () => reject(new Error('the bus ended')))
  })
}
