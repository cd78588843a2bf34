import { fileURLToPath } from 'node:url'
import { V8_STACK_KB } from '@askee/wasm'
import { RUNNER_FOLDER } from './files.ts'

/** Folder of the runner's script, with a slash at its end. */
export const CHILD = fileURLToPath(new URL('../../child/', import.meta.url))

/** Flags of Node for a runner whose script lies in `folder`; HELLO repeats them. */
export function runnerFlags(folder: string, more: readonly string[]): string[] {
  return [
    '--no-warnings',
    '--disable-proto=delete',
    '--max-old-space-size=64',
    `--stack-size=${V8_STACK_KB}`,
    '--permission',
    `--allow-fs-read=${folder}*`,
    ...more,
  ]
}

/** Flags of a runner under a warden: one task has one thread; more of V8's own would only take turns in its share of a processor. */
export function heldFlags(more: readonly string[]): string[] {
  const own = ['--allow-addons', '--v8-pool-size=1', '--disable-sigusr1']
  return runnerFlags(RUNNER_FOLDER, [...own, ...more])
}

/** What HELLO of a runner with these flags must say. */
export function runnerConfiguration(flags: readonly string[]): string {
  return `v8 ${process.versions.v8} node ${process.versions.node} ${flags.join(' ')}`
}
