import { access, readdir, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AskeeError } from '@askee/core'
import { readElf } from './elf.ts'

/** A file of this machine and its name in the root that a warden makes. */
export interface ListedFile {
  readonly inside: string
  readonly outside: string
}

/** All that Node needs to start its runner. */
export interface V8Files {
  /** The dynamic loader; null for a Node that was linked statically. */
  readonly interpreter: ListedFile | null
  readonly files: readonly ListedFile[]
}

export interface V8FilesInit {
  /** The node program. */
  readonly program: string
  /** Folder of the runner's script and what it imports. */
  readonly child: string
  /** The library that seals the runner. */
  readonly seal: string
}

/** Where the script lies in the new root, and the seal beside it: `child/main.cjs` knows. */
export const RUNNER_FOLDER = '/runner/'
const USUAL_FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'] as const
const MOST_LIBRARIES = 24

/**
 * Lists the files, by what the headers of program and libraries say they need.
 * @throws AskeeError `sandbox/elf` when one is missing or damaged
 */
export async function listV8Files(init: V8FilesInit): Promise<V8Files> {
  const program = await readElf(init.program)
  const scripts = (await readdir(init.child)).filter((name) => name.endsWith('.cjs'))
  const files = [
    ...(await librariesOf(init.program, program.interpreter)),
    ...scripts.map((name) => ({ inside: RUNNER_FOLDER + name, outside: join(init.child, name) })),
    { inside: `${RUNNER_FOLDER}seal.node`, outside: init.seal },
  ]
  const { interpreter } = program
  return { interpreter: interpreter === null ? null : { inside: interpreter, outside: interpreter }, files }
}

/** The libraries of a program and theirs, under one folder that the loader is told of. */
async function librariesOf(program: string, interpreter: string | null): Promise<ListedFile[]> {
  const mapped = await mappedLibraries()
  const found = new Map<string, string>()
  const queue = [program]
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const { libraries, folders } = await readElf(path)
    const own = folders.map((folder) => folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(path!)))
    for (const name of libraries) {
      // The loader is there already when it looks for what is needed.
      if (found.has(name) || name === basename(interpreter ?? '')) continue
      const library = await findLibrary(name, own, mapped)
      if (found.size === MOST_LIBRARIES) {
        throw new AskeeError('sandbox/elf', `expected at most ${MOST_LIBRARIES} libraries, found ${name} too`)
      }
      found.set(name, library)
      queue.push(library)
    }
  }
  return [...found].map(([name, outside]) => ({ inside: `/lib/${name}`, outside }))
}

/** What this process, which runs the same program, has loaded: so the loader's own configuration has its say. */
async function mappedLibraries(): Promise<ReadonlySet<string>> {
  const maps = await readFile('/proc/self/maps', 'utf8').catch(() => '')
  const paths = maps.split('\n').map((line) => line.slice(line.indexOf('/')))
  return new Set(paths.filter((path) => path.startsWith('/') && /\.so(\.|$)/.test(path)))
}

async function findLibrary(
  name: string,
  folders: readonly string[],
  mapped: ReadonlySet<string>,
): Promise<string> {
  const loaded = [...mapped].map((path) => dirname(path))
  const candidates = [...new Set([...folders, ...loaded, ...USUAL_FOLDERS])].map((folder) =>
    join(folder, name),
  )
  const there: string[] = []
  for (const path of candidates) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (!isThere) continue
    if (mapped.has(await realpath(path))) return path
    there.push(path)
  }
  const [first] = there
  if (first === undefined)
    throw new AskeeError('sandbox/elf', `expected the library ${name}, found it nowhere`)
  return first
}
