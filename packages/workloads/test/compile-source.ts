import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileTask } from '../scripts/compile.ts'

const KIT = fileURLToPath(new URL('../assembly/kit', import.meta.url))

/** Compiles the source text of a task that imports the kit as './kit', the way the build does. */
export async function compileSource(source: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'askee-task-'))
  try {
    const [from, to] = [join(folder, 'task.ts'), join(folder, 'task.wasm')]
    await writeFile(from, source.replace("'./kit'", JSON.stringify(relative(folder, KIT))))
    await compileTask(from, to)
    return new Uint8Array(await readFile(to))
  } finally {
    await rm(folder, { recursive: true })
  }
}
