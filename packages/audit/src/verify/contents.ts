import { AskeeError, errorCode, errorText } from '@askee/core'
import type { Vault } from '@askee/store'
import { type LogEntry, parseContent } from '../entry.ts'
import { placeOf } from '../log.ts'
import { mayBe, parseRemoval } from '../removals/act.ts'
import { Coverage, PositionSet } from '../removals/coverage.ts'
import type { Finding, Findings } from './findings.ts'

/** A content as it stands on disk; null where there is none. */
export interface ContentRow {
  readonly subject: string | null
  readonly action: string | null
  readonly at: number | null
  readonly sealed: Uint8Array | null
}

/** Contents of a log. */
export interface ContentCounts {
  readonly readable: number
  /** An act of the log says that their key was destroyed. */
  readonly erased: number
  /** An act of the log says that they were deleted. */
  readonly purged: number
  /** Changed, damaged, or gone although no act says so. */
  readonly lost: number
}

const GONE = {
  purged: 'its content is gone, and no purge in the log says so',
  erased: 'the key of its content was destroyed, and no erasure in the log says so',
}

/**
 * The contents of a log against what their entries committed to. What cannot be read any more must be covered by an act
 * further on in the log that says that it went; four bits an entry are held for that.
 */
export class Contents {
  readonly #vault: Vault
  readonly #findings: Findings
  readonly #coverage = new Coverage()
  readonly #gone = { purged: new PositionSet(), erased: new PositionSet() }
  readonly #counts = { readable: 0, erased: 0, purged: 0, lost: 0 }

  constructor(vault: Vault, findings: Findings) {
    this.#vault = vault
    this.#findings = findings
  }

  get counts(): ContentCounts {
    return { ...this.#counts }
  }

  check(index: number, entry: LogEntry, { subject, action, at, sealed }: ContentRow): void {
    if (subject === null || sealed === null) {
      this.#missing('purged', index, entry.action)
      return
    }
    if (action !== entry.action || at !== entry.at) {
      this.#lose('audit/content-changed', index, 'its content stands under another action or time')
      return
    }
    try {
      const content = this.#vault.open(subject, placeOf(index), Uint8Array.from(sealed))
      const event = parseContent(content, entry)
      this.#counts.readable++
      const removal = parseRemoval(index, event)
      if (removal !== undefined) this.#coverage.add(index, removal)
    } catch (error) {
      if (!(error instanceof AskeeError)) throw error
      const code = errorCode(error)
      if (code === 'store/erased') this.#missing('erased', index, entry.action)
      else if (code === 'audit/removal') this.#findings.at('audit/removal', index, errorText(error))
      else if (code === 'store/unknown-key') {
        this.#lose('audit/content-missing', index, 'the key of its content is gone')
      } else this.#lose('audit/content-changed', index, errorText(error))
    }
  }

  #missing(kind: 'purged' | 'erased', index: number, action: string): void {
    if (mayBe(kind, action)) this.#gone[kind].add(index)
    else this.#lose('audit/content-missing', index, `its content is gone, and an ${action} always stays`)
  }

  #lose(code: Finding['code'], index: number, why: string): void {
    this.#counts.lost++
    this.#findings.at(code, index, why)
  }

  /** Once the whole log was read: one step of this for each entry. */
  judge(index: number): void {
    for (const kind of ['purged', 'erased'] as const) {
      if (!this.#gone[kind].has(index)) continue
      if (this.#coverage.has(kind, index)) this.#counts[kind]++
      else this.#lose('audit/content-missing', index, GONE[kind])
    }
  }
}
