import { createHash } from 'node:crypto'
import { AskeeError } from '@askee/core'
import { z } from 'zod'
import { ACCEPT } from './accept.ts'

/** Far more than ever fail one after the other on one file. */
const MAX_STATES = 64
const STATE = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .nullable()
/** By file: SHA-256 of what may stand there, null for nothing; more than one while it is being changed, the newest last. */
const FILES = z.record(z.string().max(255), z.array(STATE).min(1).max(MAX_STATES))
export const FOLDER = z.strictObject({ epoch: z.string().max(64), files: FILES })

type State = z.output<typeof STATE>
type FileStates = z.output<typeof FILES>
export type FolderStates = z.output<typeof FOLDER>

/**
 * What must stand in a folder, file by file: one that was put back, alone or with all others, is found, and so is one that was
 * removed or is there again. Its owner tells of every change before it makes it.
 */
export interface FolderRecord {
  /**
   * What is known: this folder, nothing, or another one in its place. Whoever has one made anew sees to it that it is as new as it
   * says.
   */
  known(): 'this' | 'none' | 'another'
  /**
   * Call before a file is written, or (null) removed, and after `check`; on disk when it returns: from then on a crash may leave
   * either. Where it throws, a file may be removed all the same, and be told again afterwards.
   * @returns call when it is done, with what stands there now
   */
  changing(file: string, next: Uint8Array | null): (now: Uint8Array | null) => void
  /**
   * Compares what stands there with what was recorded; takes it as it is where nothing was, of this epoch.
   * @param found every file of the folder with its bytes
   * @returns files whose removal was begun: they must go now
   * @throws AskeeError `store/rolled-back` naming the first file that is not the newest
   */
  check(found: ReadonlyMap<string, Uint8Array>): string[]
  /** Files that are not the newest, in order. */
  differing(found: ReadonlyMap<string, Uint8Array>): string[]
  /** What stands there at the next check is taken: after a restore, for the owner's command alone. On disk when it returns. */
  forget(): void
}

/**
 * @param path of the folder, for the person who reads the error
 * @param epoch of the folder's making
 * @param kept `get` and `set` in memory, undefined while nothing is known of the folder; `persist` puts it on disk, or throws
 */
export function folderRecord(
  path: string,
  epoch: string,
  kept: { get(): FolderStates | undefined; set(states: FolderStates | undefined): void; persist(): void },
): FolderRecord {
  const known = (): FileStates | undefined => (kept.get()?.epoch === epoch ? kept.get()?.files : undefined)

  /** Changes under way, beside what was there before them. */
  const pending = new Map<string, State[]>()
  const settled = new Map<string, State>()

  const statesOf = (file: string): State[] => [settled.get(file) ?? null, ...(pending.get(file) ?? [])]
  const note = (file: string): void => {
    const { [file]: _, ...others } = known() ?? {}
    const states = [...new Set(statesOf(file))].slice(-MAX_STATES)
    const isGone = states.length === 1 && states[0] === null
    kept.set({ epoch, files: isGone ? others : { ...others, [file]: states } })
  }
  const persistOr = (undo: () => void): void => {
    try {
      kept.persist()
    } catch (error) {
      undo()
      throw error
    }
  }
  const differing = (found: ReadonlyMap<string, Uint8Array>): string[] => {
    const states = known()
    if (states === undefined) return []
    return [...new Set([...Object.keys(states), ...found.keys()])].sort().filter((file) => {
      const allowed = states[file]
      if (allowed === undefined) return true
      // A removal may have been interrupted between overwriting and unlinking.
      return allowed.at(-1) !== null && !allowed.includes(digest(found.get(file)))
    })
  }

  return {
    known: () => (kept.get() === undefined ? 'none' : known() === undefined ? 'another' : 'this'),
    changing(file, next) {
      const state = digest(next ?? undefined)
      // A removal that could not be written down is over once something new comes.
      const before = (pending.get(file) ?? []).filter((earlier) => earlier !== null)
      pending.set(file, [...before, state])
      note(file)
      persistOr(() => {
        // What is to go may go all the same: the next writing says so.
        if (state === null) return
        pending.set(file, before)
        note(file)
      })
      return (now) => {
        const isFirst = (settled.get(file) ?? null) === null
        const rest = pending.get(file) ?? []
        const own = rest.indexOf(state)
        if (own >= 0) rest.splice(own, 1)
        settled.set(file, digest(now ?? undefined))
        note(file)
        // That there was none before, the next writing says early enough: keys are made by the dozen at the first start.
        if (!isFirst) kept.persist()
      }
    },
    check(found) {
      const [first] = differing(found)
      if (first !== undefined) throw rolledBack(`${path}/${first}`, found.has(first))
      const [before, states] = [kept.get(), known()]
      const removed = [...found.keys()].filter((file) => states?.[file]?.at(-1) === null)
      for (const [file, bytes] of found) if (!removed.includes(file)) settled.set(file, digest(bytes))
      const now = Object.fromEntries([...settled].map(([file, state]) => [file, [state]]))
      if (JSON.stringify(states) !== JSON.stringify(now)) {
        kept.set({ epoch, files: now })
        persistOr(() => kept.set(before))
      }
      return removed
    },
    differing,
    forget() {
      const states = kept.get()
      kept.set(undefined)
      persistOr(() => kept.set(states))
    },
  }
}

function digest(bytes: Uint8Array | undefined): State {
  return bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex')
}

function rolledBack(path: string, isThere: boolean): AskeeError {
  const what = isThere ? 'is not what was written there last' : 'was there and is gone'
  return new AskeeError(
    'store/rolled-back',
    `${path} ${what}: an older copy was put back, or somebody took it away. Put the newest copy of the folder back; if you put this one there yourself: ${ACCEPT}`,
    { path },
  )
}
