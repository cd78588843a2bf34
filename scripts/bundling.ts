import { isAbsolute, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type OutputAsset, type OutputChunk, type Plugin, rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** They find files of their own beside themselves, native ones among them. */
const APART = /^(?:better-sqlite3-multiple-ciphers|@napi-rs\/keyring|pino|pkcs11js)$/

/**
 * Programs and all that they import, to be run on this machine alone: what lies beside a module is looked for where it
 * stands in the checkout.
 * @param programs main files by the names of their files, `.mjs` is added
 * @param onSource told of every file of the checkout, relative to its root, before it is read
 */
export async function bundlePrograms(
  programs: Readonly<Record<string, string>>,
  onSource: (path: string) => void = () => undefined,
): Promise<readonly (OutputChunk | OutputAsset)[]> {
  const build = await rolldown({
    input: Object.fromEntries(Object.entries(programs).map(([name, path]) => [name, join(ROOT, path)])),
    platform: 'node',
    plugins: [apart(), inPlace(onSource)],
    logLevel: 'warn',
  })
  const { output } = await build.generate({
    format: 'esm',
    keepNames: true,
    // Beside no manifest, Node would parse .js twice to find out what it is.
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name]-[hash].mjs',
  })
  await build.close()
  return output
}

function apart(): Plugin {
  return {
    name: 'apart',
    async resolveId(source, importer) {
      if (!APART.test(source)) return null
      const resolved = await this.resolve(source, importer, { skipSelf: true })
      return resolved === null ? null : { id: resolved.id, external: 'absolute' }
    },
  }
}

/** Leaves every module the place that it has in the checkout. */
function inPlace(onSource: (path: string) => void): Plugin {
  return {
    name: 'in place',
    load(id) {
      const path = relative(ROOT, id)
      if (isAbsolute(id) && !path.startsWith('node_modules')) onSource(path)
      return null
    },
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null
      return code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
    },
  }
}
