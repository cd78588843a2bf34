import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shippedFolder, shippedName } from './shipped.ts'

/** Paths of the two programs of native-sandbox/. */
export interface NativeBinaries {
  readonly warden: string
  readonly runner: string
}

/** Where programs are looked for. */
export interface NativePlaces {
  /** The folder into which `node scripts/build-native.ts` builds; null outside a checkout. */
  readonly built: string | null
  /** A file from which the optional package of this system is looked for, as `require` does. */
  readonly shippedBeside: string | URL
}

/** Names the folder with the two programs; nothing else is looked at then. */
export const NATIVE_DIRECTORY_VARIABLE = 'ASKEE_NATIVE_DIR'
const HERE: NativePlaces = {
  // Installed as a package, the folder of that name four levels up is somebody else's.
  built: import.meta.url.includes('/node_modules/')
    ? null
    : fileURLToPath(new URL('../../../../native-sandbox/target/release/', import.meta.url)),
  shippedBeside: import.meta.url,
}

/**
 * Finds warden and runner: where `ASKEE_NATIVE_DIR` says, else where `node scripts/build-native.ts` puts them, else in the
 * optional package of this system (`@askee/native-<platform>-<arch>`), if it is of our version and undamaged.
 */
export function locateNative(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  places: NativePlaces = HERE,
): NativeBinaries | { readonly missing: string } {
  const named = environment[NATIVE_DIRECTORY_VARIABLE]
  if (named !== undefined) {
    return binariesIn(named) ?? { missing: `${NATIVE_DIRECTORY_VARIABLE} is ${named}, which lacks them` }
  }
  const built = places.built === null ? null : binariesIn(places.built)
  if (built !== null) return built
  const shipped = shippedFolder(places.shippedBeside)
  if (shipped === null) {
    return {
      missing: `nothing was built by: node scripts/build-native.ts, and the package ${shippedName()} is not installed`,
    }
  }
  if (typeof shipped !== 'string') return shipped
  return (
    binariesIn(shipped) ?? { missing: `${shippedName()} has programs that cannot be run; install it again` }
  )
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
