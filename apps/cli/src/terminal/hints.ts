/** Commands that errors tell people to type next, where their text does not name the agent yet. */
const NAMED =
  /\baskee (?:agent|audit accept|data accept-restored|consent list(?: --all)?|campaigns)(?=$|[\s.,;:)])/g

/** The options of this very command that say which agent is meant, to be typed again; empty when none does. */
export function agentOptionsOf(
  argv: readonly string[],
  options: readonly string[] = ['--data', '--control'],
): string {
  return options
    .map((option) => {
      const at = argv.indexOf(option)
      const value =
        at === -1
          ? argv.find((word) => word.startsWith(`${option}=`))?.slice(option.length + 1)
          : argv[at + 1]
      return value === undefined ? '' : ` ${option} ${quoted(value)}`
    })
    .join('')
}

/** `text` with every command in it aimed at the agent that `argv` named: copied literally it must not act on another one. */
export function withAgentNamed(text: string, argv: readonly string[]): string {
  return text.replaceAll(NAMED, (command) => {
    // Without an agent there is no socket to name.
    const options = command.includes('accept-restored') ? ['--data'] : ['--data', '--control']
    return `${command}${agentOptionsOf(argv, options)}`
  })
}

/** A word for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
