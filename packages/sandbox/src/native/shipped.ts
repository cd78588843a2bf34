import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { errorText } from '@askee/core'

/** Packages and what looks for them belong to one release. A meta test holds it against the root package.json. */
export const NATIVE_VERSION = '0.1.0'
/** What a package of installers/npm says of its programs. */
export const SHIPPED_MANIFEST = 'askee-native.json'
const SHA256 = /^[0-9a-f]{64}$/

/** Of the optional package for this system. */
export function shippedName(platform: string = process.platform, arch: string = process.arch): string {
  return `@askee/native-${platform}-${arch}`
}

/**
 * The folder `bin` of the installed optional package; null where it is not installed. Its version must be ours and its
 * programs those that were packed: half an installation, a mixture of two or a damaged file shall not run. Who can write to
 * the package can write its digests too: that is for the package manager to verify.
 *
 * @param from a file or URL from which the package is looked for, as `require` does
 * @returns null, the folder, or why what is installed is not used
 */
export function shippedFolder(from: string | URL): string | { readonly missing: string } | null {
  const name = shippedName()
  const root = packageFolder(name, from)
  if (root === null) return null
  try {
    const flaw = flawOf(root)
    return flaw === null ? join(root, 'bin') : { missing: `the package ${name} ${flaw}; install it again` }
  } catch (error) {
    return { missing: `the package ${name} cannot be read; install it again: ${errorText(error)}` }
  }
}

function packageFolder(name: string, from: string | URL): string | null {
  try {
    return dirname(createRequire(from).resolve(`${name}/package.json`))
  } catch {
    return null
  }
}

function flawOf(root: string): string | null {
  const manifest: unknown = JSON.parse(readFileSync(join(root, SHIPPED_MANIFEST), 'utf8'))
  if (!isRecord(manifest) || !isRecord(manifest.sha256)) return `has no digests in ${SHIPPED_MANIFEST}`
  if (manifest.version !== NATIVE_VERSION) {
    return `is of version ${String(manifest.version)}, expected ${NATIVE_VERSION}`
  }
  const suffix = process.platform === 'win32' ? '.exe' : ''
  // What else was packed is verified too.
  const needed = [`askee-warden${suffix}`, `askee-runner${suffix}`]
  for (const name of new Set([...needed, ...Object.keys(manifest.sha256)])) {
    const expected = manifest.sha256[name]
    if (typeof expected !== 'string' || !SHA256.test(expected)) return `has no digest of ${name}`
    const received = createHash('sha256')
      .update(readFileSync(join(root, 'bin', name)))
      .digest('hex')
    if (received !== expected) return `is damaged: ${name} has SHA-256 ${received}, expected ${expected}`
  }
  return null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
