import { type AuditEvent, type Clock, errorText } from '@askee/core'
import { refuse } from '../errors.ts'
import type { EndedConsents } from '../gate.ts'
import type { SignedConsent } from '../token/grant.ts'
import type { ConsentHistory } from './history.ts'
import type { Listeners } from './listeners.ts'
import { entryOf, type Life, type Lives, tokensOf } from './lives.ts'
import { step } from './machine.ts'
import type { ConsentRecords } from './records.ts'
import type { ConsentEntry, OwnRevocation } from './registry.ts'
import type { ConsentAction } from './state.ts'
import type { StatusKeeper } from './status-keeper.ts'
import type { Uses } from './uses.ts'

export interface EnactmentParts {
  readonly clock: Clock
  readonly records: ConsentRecords
  readonly history: ConsentHistory
  readonly lives: Lives
  readonly status: StatusKeeper
  readonly uses: Uses
  /** Hear at once that a door closed, before anything is written. */
  readonly ends: Listeners<EndedConsents>
  /** Hear of revocations, to tell the mesh. */
  readonly tellings: Listeners<OwnRevocation>
}

/** Carries the machine's steps out: closing and killing first, then the disk, then opening, then telling. */
export class Enactment {
  readonly #parts: EnactmentParts
  /** What was closed while the disk did not take it. It is written as soon as the disk does. */
  readonly #unwritten = new Map<Life, () => void>()

  constructor(parts: EnactmentParts) {
    this.#parts = parts
  }

  /** @throws AskeeError with the machine's reason; writes a refused grant down, for somebody tried */
  assertPossible(life: Life, action: ConsentAction): void {
    const rejected = step(life.state, action).effects.find((effect) => effect.type === 'reject')
    if (rejected === undefined) return
    this.#parts.history.write(action.type === 'Renew' ? 'renewed' : 'granted', life.id, 'refused', {
      code: rejected.code,
    })
    throw refuse(rejected.code, rejected.text)
  }

  /** @throws AskeeError with the machine's reason, `consent/not-written` when it holds and the disk did not take it */
  act(
    life: Life,
    action: ConsentAction,
    more: { signed?: SignedConsent; content?: AuditEvent['content'] } = {},
  ): ConsentEntry {
    const { clock, records, history, lives, status, uses, ends, tellings } = this.#parts
    const { state, effects } = step(life.state, action)
    const { signed, content = {} } = more
    for (const effect of effects) {
      if (effect.type === 'reject') throw refuse(effect.code, effect.text)
      if (effect.type === 'close') life.state = state
      if (effect.type === 'kill') ends.tell(effect)
    }
    const changed = clock.now()
    const write = (): void => {
      // By itself: a count that is undone with the rest would be lost.
      uses.flush(life.id)
      records.atomically(() => {
        records.saveLife({
          id: life.id,
          state,
          manifest: life.text,
          statusIndex: life.statusIndex,
          changed,
        })
        if (signed !== undefined) records.saveToken(life.id, signed)
        for (const effect of effects) {
          if (effect.type === 'record') history.write(effect.act, life.id, 'done', contentOf(life, content))
        }
      })
      this.#unwritten.delete(life)
      life.state = state
      life.changed = changed
      if (signed !== undefined) life.held = signed
      lives.add(life)
      status.changed()
    }
    let untold = effects.some(({ type }) => type === 'tell')
    const tell = (): void => {
      const revocation = untold ? revocationOf(life) : null
      untold = false
      if (revocation !== null) tellings.tell(revocation)
    }
    const attempt = (): void => {
      try {
        write()
        tell()
      } catch (cause) {
        if (life.state !== state) throw cause
        this.#unwritten.set(life, attempt)
        status.changed()
        // The certificate was signed at the grant: no disk is needed to tell others.
        tell()
        const text = `the consent is closed and its work is stopped, but the disk did not take it (${errorText(cause)}): free some space before the agent is stopped, it is tried again every second`
        throw refuse('consent/not-written', text, { consent: life.id }, cause)
      }
    }
    attempt()
    return entryOf(life, clock.now())
  }

  /**
   * Writes what was closed while the disk did not take it.
   * @returns whether there was something
   * @throws AskeeError `consent/not-written` when the disk still does not
   */
  settle(life: Life): boolean {
    const attempt = this.#unwritten.get(life)
    attempt?.()
    return attempt !== undefined
  }

  /** One attempt for each consent that is not written. */
  unwritten(): readonly (() => void)[] {
    return [...this.#unwritten.values()]
  }
}

/** What the mesh is to hear of a revoked consent, or null when its token is damaged. */
export function revocationOf({ held, state }: Life): OwnRevocation | null {
  if (held === null) return null
  const { claims, certificate } = held
  return { requester: claims.audience, tokens: tokensOf(state), certificate, until: claims.expires }
}

/** What the history says of every act, beside the act's own words. */
function contentOf({ manifest, digest }: Life, content: AuditEvent['content']): AuditEvent['content'] {
  return { requester: manifest.requester, manifest: digest, ...content }
}
