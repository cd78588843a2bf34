/** Compiles every task of `assembly/` to `build/<name>.wasm`. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileTask } from './compile.ts'

const SOURCES = fileURLToPath(new URL('../assembly', import.meta.url))
const BUILD = fileURLToPath(new URL('../build', import.meta.url))

const sources = (await readdir(SOURCES)).filter((file) => file.endsWith('.ts')).sort()
await rm(BUILD, { recursive: true, force: true })
await mkdir(BUILD)
for (const source of sources) {
  await compileTask(join(SOURCES, source), join(BUILD, `${basename(source, '.ts')}.wasm`))
}
console.log(`built ${sources.length} tasks`)
