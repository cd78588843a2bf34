import { AskeeError } from '@askee/core'
import { checkNotOlder, type Database, type Fingerprint, fingerprint } from '@askee/store'

/** What stands in a checkpoint for each database that must not be older than it (C2SP extension lines). */
export function storeLines(databases: readonly Database[]): string[] {
  return databases.map((database) => {
    const { name, epoch, generation, digest } = fingerprint(database)
    return `store ${name} ${epoch} ${generation} ${digest}`
  })
}

/**
 * What of the databases is older than a checkpoint says, or undefined. Lines of other kinds and of databases that are not open
 * here say nothing.
 */
export function olderStore(
  databases: readonly Database[],
  extensions: readonly string[],
): AskeeError | undefined {
  const seen = extensions.flatMap(parseLine)
  for (const database of databases) {
    const { name } = fingerprint(database)
    for (const expected of seen.filter((line) => line.name === name)) {
      try {
        checkNotOlder(database, expected)
      } catch (error) {
        if (error instanceof AskeeError) return error
        throw error
      }
    }
  }
  return undefined
}

function parseLine(line: string): Fingerprint[] {
  const [, name, epoch, generation, digest] =
    /^store (\S{1,64}) ([0-9a-f]{32}) (\d{1,15}) ([0-9a-f]{64})$/.exec(line) ?? []
  if (name === undefined || epoch === undefined || digest === undefined) return []
  return [{ name, epoch, generation: Number(generation), digest }]
}
