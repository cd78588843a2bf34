import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Paths of the two programs of native-sandbox/. */
export interface NativeBinaries {
  readonly warden: string
  readonly runner: string
}

/** Names the folder with the two programs; nothing else is looked at then. */
export const NATIVE_DIRECTORY_VARIABLE = 'ASKEE_NATIVE_DIR'
const BUILT = fileURLToPath(new URL('../../../../native-sandbox/target/release/', import.meta.url))

/**
 * Finds warden and runner: where `ASKEE_NATIVE_DIR` says, else in the optional package of this platform
 * (`@askee/native-<platform>-<arch>`, folder `bin`), else where `node scripts/build-native.ts` puts them.
 */
export function locateNative(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): NativeBinaries | { readonly missing: string } {
  const named = environment[NATIVE_DIRECTORY_VARIABLE]
  if (named !== undefined) {
    return binariesIn(named) ?? { missing: `${NATIVE_DIRECTORY_VARIABLE} is ${named}, which lacks them` }
  }
  const name = `@askee/native-${process.platform}-${process.arch}`
  const shipped = packageFolder(name)
  const found = (shipped === null ? null : binariesIn(join(shipped, 'bin'))) ?? binariesIn(BUILT)
  if (found !== null) return found
  return {
    missing: `the package ${name} is not installed, and nothing was built by: node scripts/build-native.ts`,
  }
}

function packageFolder(name: string): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return null
  }
}

function binariesIn(folder: string): NativeBinaries | null {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const binaries = {
    warden: join(folder, `askee-warden${suffix}`),
    runner: join(folder, `askee-runner${suffix}`),
  }
  try {
    for (const path of Object.values(binaries)) accessSync(path, constants.X_OK)
    return binaries
  } catch {
    return null
  }
}
