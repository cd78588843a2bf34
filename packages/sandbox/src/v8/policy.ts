import { listV8Files, RUNNER_FOLDER, type V8Files, type V8FilesInit } from './files.ts'

export interface V8PolicyInit extends V8FilesInit {
  /** Of Node, before the script. */
  readonly flags: readonly string[]
}

/** Threads of Node: V8's worker and the one that delays its work, the one of the loop, and some to spare. */
const MOST_THREADS = 8

/**
 * Lines of POLICY for V8's runner.
 * @throws AskeeError `sandbox/elf` when a library is missing or damaged
 */
export async function v8PolicyLines(init: V8PolicyInit): Promise<string[]> {
  return policyLines(init.program, init.flags, await listV8Files(init))
}

/** The same for files that were found already. */
export function policyLines(
  program: string,
  flags: readonly string[],
  { interpreter, files }: V8Files,
): string[] {
  const args = [...flags, `${RUNNER_FOLDER}main.cjs`, 'held']
  return [
    'profile v8',
    `runner ${program}`,
    ...args.map((argument) => `argument ${argument}`),
    ...(interpreter === null ? [] : [`interpreter ${interpreter.inside} ${interpreter.outside}`]),
    ...files.map(({ inside, outside }) => `file ${inside} ${outside}`),
    `pids ${MOST_THREADS}`,
  ]
}
