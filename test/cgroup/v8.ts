/** V8 in the small machine: Node, its libraries and scripts, where the AppArmor profile expects them, and the lines of POLICY. */
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { listV8Files, RUNNER_FOLDER } from '../../packages/sandbox/src/v8/files.ts'
import { CHILD, heldFlags } from '../../packages/sandbox/src/v8/flags.ts'
import { policyLines } from '../../packages/sandbox/src/v8/policy.ts'
import { PROGRAMS } from '../escape/warden.ts'
import { type Entry, FILE, PROGRAM } from './cpio.ts'

const NODE = '/usr/bin/node'
const FOLDER = '/usr/lib/askee/child'
const MEMORY_BYTES = 256 * 1024 * 1024

export interface V8InGuest {
  readonly entries: readonly Entry[]
  readonly policy: string
}

export async function v8InGuest(): Promise<V8InGuest> {
  const program = realpathSync(process.execPath)
  const seal = join(dirname(PROGRAMS.runner), 'libaskee_seal.so')
  const here = await listV8Files({ program, child: CHILD, seal })
  // Libraries where they are; what is ours where a package would put it.
  const there = here.files.map(({ inside, outside }) => ({
    inside,
    outside: inside.startsWith(RUNNER_FOLDER) ? join(FOLDER, basename(outside)) : outside,
  }))
  const copies = [
    { from: program, to: NODE },
    ...here.files.map(({ outside }, index) => ({ from: outside, to: there[index]!.outside })),
    ...(here.interpreter === null ? [] : [{ from: here.interpreter.outside, to: here.interpreter.outside }]),
  ]
  const lines = policyLines(NODE, heldFlags([]), { interpreter: here.interpreter, files: there })
  return {
    entries: copies.map(({ from, to }) => ({
      path: to.slice(1),
      mode: to.startsWith(FOLDER) ? FILE : PROGRAM,
      content: readFileSync(from),
    })),
    policy: [...lines, `memory-bytes ${MEMORY_BYTES}`].join('\n'),
  }
}
