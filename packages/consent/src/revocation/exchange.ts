import {
  type Clock,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Startable,
  type Timers,
  utf8,
} from '@askee/core'
import { refuse } from '../errors.ts'
import type { ConsentRegistry, OwnRevocation } from '../life/registry.ts'
import type { ConsentPhase } from '../life/state.ts'
import type { RevocationBook } from './book.ts'
import type { RevocationSource } from './lookup.ts'
import { EVERYTHING, RevocationRecords } from './records.ts'
import { Retelling } from './retelling.ts'
import {
  REVOCATION_LIMITS,
  REVOCATION_PROTOCOL,
  REVOCATION_TOPIC,
  STATUS_LIMITS,
  STATUS_PROTOCOL,
  textOf,
} from './topic.ts'
import type { StatusSource } from './verifier.ts'

export interface ExchangeComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly registry: ConsentRegistry
  readonly book: RevocationBook
}

export interface ExchangeInit {
  /** First wait before a revocation is told again; doubles. Default 1 s. */
  readonly retellFirst?: Milliseconds
  /** Longest wait: a mesh that was split hears of it this much after it is whole. Default 5 min. */
  readonly retellLongest?: Milliseconds
  /** How long a node may take to answer. Default 5 s. */
  readonly requestTimeout?: Milliseconds
}

/** How long the machine is left to the kill before the mesh is told: as long as a kill may take (CON-5). */
const TELL_AFTER: Milliseconds = 100
/** After a start: soon, when there are peers to ask, and once more for a node that found them late. */
const RECALL_AFTER: readonly Milliseconds[] = [15_000, 300_000]
/** Consents that are asked for; those that are over or revoked need no question. */
const MAX_RECALLED = 64
const RECALLED: readonly ConsentPhase[] = ['granted', 'renewed', 'suspended']
/** What a node answers that keeps the revocation; one that answers anything else may not know of it. */
const KNOWS: readonly string[] = ['new', 'known'] satisfies Verdict[]
/**
 * Tells the mesh of revocations three ways (CON-5): gossip reaches who is there, a request reaches the requester of the
 * consent for certain, records and status lists reach who comes later. Takes what others tell the same ways.
 */
export interface RevocationExchange extends Startable, StatusSource, RevocationSource {}

export function createRevocationExchange(
  components: ExchangeComponents,
  init: ExchangeInit = {},
): RevocationExchange {
  return new MeshExchange(components, init)
}

type Verdict = ReturnType<RevocationBook['take']>

interface Telling {
  readonly revocation: OwnRevocation
  cancel: () => void
  /** The requester has said that it knows. */
  isAcknowledged: boolean
  /** By the clock, when it was looked at last, all that it ends had ended by itself. */
  wasOver: boolean
  record: 'to do' | 'under way' | 'done'
}

class MeshExchange implements RevocationExchange {
  readonly #components: ExchangeComponents
  readonly #init: Required<ExchangeInit>
  readonly #tellings = new Map<string, Telling>()
  readonly #retelling: Retelling
  readonly #records: RevocationRecords
  readonly #cleanup: (() => void)[] = []
  #abort = new AbortController()

  constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components
    this.#init = { retellFirst: 1000, retellLongest: 300_000, requestTimeout: 5000, ...init }
    this.#retelling = new Retelling(components, this.#init.retellFirst)
    this.#records = new RevocationRecords(components)
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#cleanup.length > 0) return
    const { mesh, registry, timers } = this.#components
    this.#abort = new AbortController()
    this.#cleanup.push(
      mesh.subscribe(REVOCATION_TOPIC, ({ body }) => this.#take(body)),
      mesh.handle(REVOCATION_PROTOCOL, REVOCATION_LIMITS, async ({ body }) => utf8(this.#hear(textOf(body)))),
      mesh.handle(STATUS_PROTOCOL, STATUS_LIMITS, async () => utf8(registry.statusList())),
      // Later: now work is being killed, and nothing may hold that up.
      registry.onRevoked((revocation) => this.#soon(revocation)),
      mesh.onPeer((peer, state) => {
        if (state === 'connected') this.#greet(peer)
      }),
      ...RECALL_AFTER.map((wait) => timers.after(wait, () => void this.#recall())),
    )
    for (const revocation of registry.revocations()) this.#tell(revocation)
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanup.splice(0)) clean()
    for (const { cancel } of this.#tellings.values()) cancel()
    this.#tellings.clear()
    this.#retelling.stop()
    this.#abort.abort(refuse('consent/phase', 'the exchange of revocations has stopped'))
  }

  async fetch(uri: string, subject: NodeId): Promise<string | undefined> {
    const { mesh, registry } = this.#components
    if (uri === registry.statusUri) return registry.statusList()
    const { signal } = this.#abort
    try {
      const options = { timeout: this.#init.requestTimeout, signal }
      return textOf(await mesh.request(subject, STATUS_PROTOCOL, new Uint8Array(), options))
    } catch (error) {
      if (signal.aborted) throw error
      return this.#records.readList(subject, signal)
    }
  }

  find(token: string, subject: NodeId): Promise<readonly string[]> {
    return this.#records.find(token, subject, this.#abort.signal)
  }

  /** The own book is for those who ask it on this machine: on a full disk the mesh is told all the same. */
  #note(certificate: string): void {
    try {
      this.#components.book.take(certificate)
    } catch (error) {
      this.#components.logger.error({ error: errorText(error) }, 'an own revocation was not noted')
    }
  }

  /** A database that was put back learns here what its owner revoked since the copy was made. */
  #hear(text: string): Verdict {
    const { book, registry, logger } = this.#components
    const verdict = book.take(text)
    try {
      registry.learn(text)
    } catch (error) {
      logger.error({ error: errorText(error) }, 'an own revocation was learned and not written')
    }
    return verdict
  }

  /** Asks the records of this node what it once told, for what it shows as given, or held up. */
  async #recall(): Promise<void> {
    const { registry, mesh, logger } = this.#components
    const { signal } = this.#abort
    const given = registry.list().filter(({ phase }) => RECALLED.includes(phase))
    const names = given.flatMap(({ tokens }) => tokens.slice(0, 1)).slice(-MAX_RECALLED)
    for (const name of [EVERYTHING, ...names]) {
      try {
        for (const text of await this.#records.read(name, mesh.self, signal)) this.#hear(text)
      } catch (error) {
        if (signal.aborted) return
        logger.debug({ error: errorText(error) }, 'a record of an own revocation could not be read')
      }
    }
  }

  #take(body: Uint8Array): void {
    const { logger } = this.#components
    try {
      if (this.#hear(textOf(body)) === 'new') logger.info({}, 'a revocation was heard')
    } catch (error) {
      logger.debug({ error: errorText(error) }, 'a revocation was not understood')
    }
  }

  #soon(revocation: OwnRevocation): void {
    const { timers } = this.#components
    const { signal } = this.#abort
    // One that the node stops before is told after its next start.
    timers.after(TELL_AFTER, () => {
      if (!signal.aborted) this.#tell(revocation)
    })
  }

  #tell(revocation: OwnRevocation): void {
    if (this.#tellings.has(revocation.certificate)) return
    const telling: Telling = {
      revocation,
      cancel: () => {},
      isAcknowledged: false,
      wasOver: false,
      record: 'to do',
    }
    this.#tellings.set(revocation.certificate, telling)
    this.#spread(revocation)
    this.#round(telling, this.#init.retellFirst)
  }

  /** To those who ask on this machine, and to whoever is there. */
  #spread({ certificate }: OwnRevocation): void {
    this.#note(certificate)
    this.#retelling.add(certificate)
  }

  #round(telling: Telling, wait: Milliseconds): void {
    // It stays while the node runs: the clock that says that it is over may be put right.
    if (this.#isOver(telling)) telling.wasOver = true
    else this.#repeat(telling)
    telling.cancel = this.#components.timers.after(wait, () =>
      this.#round(telling, Math.min(this.#init.retellLongest, wait * 2)),
    )
  }

  #repeat(telling: Telling): void {
    const { revocation } = telling
    if (telling.wasOver) {
      telling.wasOver = false
      this.#spread(revocation)
      // The mesh does not put a record again that was over.
      if (telling.record === 'done') telling.record = 'to do'
    }
    if (!telling.isAcknowledged && revocation.requester !== null)
      void this.#request(telling, revocation.requester)
    if (telling.record === 'to do') void this.#record(telling)
    else if (telling.record === 'done' && this.#records.isListDue())
      void this.#recordList().catch(() => undefined)
  }

  #isOver({ revocation }: Telling): boolean {
    return this.#components.clock.now() >= revocation.until
  }

  async #request(telling: Telling, to: NodeId): Promise<void> {
    const { mesh, registry } = this.#components
    const { certificate, tokens } = telling.revocation
    try {
      const { signal } = this.#abort
      const answer = await mesh.request(to, REVOCATION_PROTOCOL, utf8(certificate), {
        timeout: this.#init.requestTimeout,
        signal,
      })
      // Whose clock is ahead keeps nothing and says that it is over: it is told again.
      if (telling.isAcknowledged || !KNOWS.includes(textOf(answer))) return
      telling.isAcknowledged = true
      registry.history.write('told', tokens.at(-1) ?? 'all', 'done', { node: to })
    } catch {
      // Not there now: the next round, or its next connection, is the next chance.
    }
  }

  async #record(telling: Telling): Promise<void> {
    const { certificate, tokens, until } = telling.revocation
    telling.record = 'under way'
    try {
      await this.#records.put(certificate, tokens, until, this.#abort.signal)
      telling.record = 'done'
      await this.#recordList()
    } catch (error) {
      if (telling.record !== 'done') telling.record = 'to do'
      this.#components.logger.debug({ error: errorText(error) }, 'a revocation was not recorded')
    }
  }

  /** Signed anew, which a certificate needs not: the owner's key may be lost. */
  async #recordList(): Promise<void> {
    await this.#records.putList(this.#components.registry.statusList(), this.#abort.signal)
  }

  /** A requester that comes back is told at once what it missed. */
  #greet(peer: NodeId): void {
    for (const telling of this.#tellings.values()) {
      if (telling.isAcknowledged || telling.revocation.requester !== peer) continue
      if (!this.#isOver(telling)) void this.#request(telling, peer)
    }
  }
}
