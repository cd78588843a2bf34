import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const SOURCES = fileURLToPath(new URL('../vectors/modules/', import.meta.url))

export interface Modules {
  /** Path of the binary of `test/vectors/modules/<name>.wat`. */
  path(name: string): string
  /** Path of a new file with these bytes. */
  file(name: string, bytes: Uint8Array): string
  remove(): void
}

/** Compiles the text modules into a temporary folder. */
export async function compileModules(names: readonly string[]): Promise<Modules> {
  const directory = mkdtempSync(join(tmpdir(), 'askee-modules-'))
  const wabt = await loadWabt()
  for (const name of names) {
    const text = readFileSync(join(SOURCES, `${name}.wat`), 'utf8')
    const parsed = wabt.parseWat(`${name}.wat`, text)
    writeFileSync(join(directory, `${name}.wasm`), parsed.toBinary({}).buffer)
    parsed.destroy()
  }
  return {
    path: (name) => join(directory, `${name}.wasm`),
    file(name, bytes) {
      const path = join(directory, name)
      writeFileSync(path, bytes)
      return path
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
