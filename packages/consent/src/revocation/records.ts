import {
  type Clock,
  type Mesh,
  type Milliseconds,
  type NodeId,
  OwnRecords,
  type SignedRecord,
  type Timestamp,
  utf8,
} from '@askee/core'
import { verifyCertificate } from './certificate.ts'
import { REVOCATION_RECORDS, STATUS_RECORDS, textOf } from './topic.ts'

/** Nodes that should hold a record before it counts as told there. */
const QUORUM = 1
/** Name of the record that ends everything below an epoch; all others are named by a token. */
export const EVERYTHING = 'all'
/** A recorded status list is good for a day, and recorded anew in time. */
const LIST_RECORD_MS: Milliseconds = 24 * 3_600_000
const RERECORD_LIST_MS: Milliseconds = LIST_RECORD_MS / 2

interface RecordedList {
  readonly text: string
  /** Monotonic: on a clock that is set back it would be over before it is recorded anew. */
  readonly at: Milliseconds
}

const NO_LIST: RecordedList = { text: '', at: Number.NEGATIVE_INFINITY }

/** What this node writes into the mesh's records of revocations, and what it reads there of others. */
export class RevocationRecords {
  readonly #mesh: Mesh
  readonly #clock: Clock
  readonly #own: OwnRecords
  /** The status list that was recorded last. */
  #list: RecordedList = NO_LIST

  constructor({ mesh, clock }: { readonly mesh: Mesh; readonly clock: Clock }) {
    this.#mesh = mesh
    this.#clock = clock
    this.#own = new OwnRecords({ mesh, clock })
  }

  /**
   * Texts that may end the token, or everything of its node. One of the two that cannot be read hides not the other.
   * @throws what the mesh says when neither can be read
   */
  async find(token: string, subject: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    const looks = await Promise.allSettled(
      [token, EVERYTHING].map((name) => this.read(name, subject, signal)),
    )
    const [failed] = looks.filter((look) => look.status === 'rejected')
    const found = looks.flatMap((look) => (look.status === 'fulfilled' ? look.value : []))
    if (failed !== undefined && found.length === 0) throw failed.reason
    return found
  }

  async read(name: string, owner: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    const record = await this.#mesh.getRecord({ namespace: REVOCATION_RECORDS, owner, name }, { signal })
    return record === undefined ? [] : [textOf(record.value)]
  }

  async readList(owner: NodeId, signal: AbortSignal): Promise<string | undefined> {
    const record = await this.#mesh.getRecord({ namespace: STATUS_RECORDS, owner, name: 'list' }, { signal })
    return record === undefined ? undefined : textOf(record.value)
  }

  /**
   * Puts a certificate under each token of its line (who is shown one knows no other), or under everything.
   * @throws the first error, after all were tried
   */
  async put(
    certificate: string,
    tokens: readonly string[],
    expires: Timestamp,
    signal: AbortSignal,
  ): Promise<void> {
    const value = utf8(certificate)
    const errors: unknown[] = []
    // One of before that is told late must not take the place of the one that ends more.
    const more = tokens.length === 0 ? { suffices: endsMoreThan(certificate) } : {}
    for (const name of tokens.length === 0 ? [EVERYTHING] : tokens) {
      const draft = { namespace: REVOCATION_RECORDS, name, value, expires }
      await this.#own
        .putNext(draft, { quorum: QUORUM, signal, ...more })
        .catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw errors[0]
  }

  /** Whether the list is to be recorded although nothing has changed. */
  isListDue(): boolean {
    return this.#clock.monotonic() - this.#list.at >= RERECORD_LIST_MS
  }

  /** Unless this very list stands there already. The mesh itself puts a record again and again, until it expires. */
  async putList(text: string, signal: AbortSignal): Promise<void> {
    if (text === this.#list.text && !this.isListDue()) return
    this.#list = { text, at: this.#clock.monotonic() }
    const expires = this.#clock.now() + LIST_RECORD_MS
    try {
      const draft = { namespace: STATUS_RECORDS, name: 'list', value: utf8(text), expires }
      await this.#own.putNext(draft, { quorum: QUORUM, signal })
    } catch (error) {
      // The next round tries again.
      this.#list = NO_LIST
      throw error
    }
  }
}

/** Whether what stands under everything ends what the certificate does and more. What it cannot read says nothing. */
function endsMoreThan(certificate: string): (standing: SignedRecord) => boolean {
  return ({ value }) => {
    try {
      const standing = verifyCertificate(textOf(value))
      const own = verifyCertificate(certificate)
      if (standing.minEpoch === null || own.minEpoch === null) return false
      return standing.issuer === own.issuer && standing.minEpoch > own.minEpoch
    } catch {
      return false
    }
  }
}
