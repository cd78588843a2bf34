/**
 * The words of the command line as commander understands them: `askee help keys root create` means
 * `askee keys root create --help`, for its own `help` looks at one word only.
 */
export function understood(argv: readonly string[]): string[] {
  const [node, script, first, ...path] = argv
  if (first !== 'help' || path.length < 2 || path.some((word) => word.startsWith('-'))) return [...argv]
  return [node ?? '', script ?? '', ...path, '--help']
}

/** Whether `--json` was asked for, wherever the call went wrong. What follows `--` is no option. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? undefined : end).includes('--json')
}
