/** What the small machine needs to load the AppArmor profile: the parser with its libraries, and what a profile includes. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Entry, FILE, PROGRAM } from './cpio.ts'

export const PROFILE = fileURLToPath(new URL('../../installers/linux/apparmor/askee', import.meta.url))
export const PARSER = '/usr/sbin/apparmor_parser'
const POLICY = '/etc/apparmor.d'
const INCLUDED = ['abi', 'tunables']

/** Empty where there is no parser: the machine then says that it could not try. */
export function apparmorEntries(): Entry[] {
  if (!existsSync(PARSER)) return []
  const libraries = spawnSync('ldd', [PARSER], { encoding: 'utf8' }).stdout.match(/\/\S+/g) ?? []
  const files = INCLUDED.flatMap((folder) => filesBelow(join(POLICY, folder)))
  return [
    ...[PARSER, ...libraries].map((path) => entry(path, PROGRAM)),
    ...files.map((path) => entry(path, FILE)),
    // Empty: what the profile says of itself counts.
    { path: 'etc/apparmor/parser.conf', mode: FILE },
    { path: `${POLICY}/askee`.slice(1), mode: FILE, content: readFileSync(PROFILE) },
  ]
}

function entry(path: string, mode: number): Entry {
  return { path: path.slice(1), mode, content: readFileSync(path) }
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  return paths.filter((path) => statSync(path).isFile())
}
