import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LIBRARIES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]

export const PIN = '493817'
export const TOKEN_LABEL = 'askee-test'

/** The library of SoftHSM, or why the tests against it are skipped. */
export const softHsm: { readonly module: string } | { readonly missing: string } = find()

function find(): typeof softHsm {
  const module = LIBRARIES.find((path) => existsSync(path))
  if (module === undefined) return { missing: 'SoftHSM is not installed (Debian: softhsm2)' }
  try {
    execFileSync('softhsm2-util', ['--version'], { stdio: 'ignore' })
  } catch {
    return { missing: 'softhsm2-util is not on the path (Debian: softhsm2)' }
  }
  try {
    createRequire(import.meta.url)('pkcs11js')
  } catch {
    return { missing: 'pkcs11js is not built (its install script needs a C++ compiler)' }
  }
  return { module }
}

/** A token of this test file's own. The environment names it before the library is loaded. */
export function initialiseToken(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'askee-hsm-'))
  mkdirSync(join(directory, 'tokens'))
  const config = join(directory, 'softhsm2.conf')
  writeFileSync(config, `directories.tokendir = ${join(directory, 'tokens')}\nlog.level = ERROR\n`)
  process.env.SOFTHSM2_CONF = config
  execFileSync(
    'softhsm2-util',
    ['--init-token', '--free', '--label', TOKEN_LABEL, '--so-pin', '9081726354', '--pin', PIN],
    { stdio: 'ignore' },
  )
  return () => rmSync(directory, { recursive: true })
}
