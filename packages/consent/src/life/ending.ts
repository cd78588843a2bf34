import { type Clock, errorText, type Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import { refuse } from '../errors.ts'
import { issuerOf, verifyCertificate } from '../revocation/certificate.ts'
import { MAX_LIFETIME_MS } from '../terms.ts'
import type { Enactment } from './enactment.ts'
import type { ConsentHistory } from './history.ts'
import type { Listeners } from './listeners.ts'
import { entryOf, type Life, type Lives, tokensOf } from './lives.ts'
import { isGiven, step } from './machine.ts'
import type { OwnEpoch } from './own-epoch.ts'
import type { ConsentRecords } from './records.ts'
import type { ConsentEntry, OwnRevocation } from './registry.ts'
import type { Uses } from './uses.ts'

export interface EndingParts {
  readonly clock: Clock
  readonly volunteer: Pick<Identity, 'id'>
  readonly records: ConsentRecords
  readonly history: ConsentHistory
  readonly lives: Lives
  readonly epoch: OwnEpoch
  readonly uses: Uses
  readonly tellings: Listeners<OwnRevocation>
  readonly enactment: Enactment
}

/** The ends of consents: for a while, for ever, all of them, and by time. */
export class Ending {
  readonly #parts: EndingParts
  /** Suspended for a database that was put back, by a call that has not come to its end. */
  readonly #putBack = new Set<Life>()

  constructor(parts: EndingParts) {
    this.#parts = parts
  }

  suspend(id: string, reason: string): ConsentEntry {
    const { lives, clock, enactment } = this.#parts
    return enactment.act(lives.find(id), { type: 'Suspend', now: clock.now() }, { content: { reason } })
  }

  resume(id: string): ConsentEntry {
    const { lives, clock, enactment } = this.#parts
    const life = lives.find(id)
    enactment.settle(life)
    return enactment.act(life, { type: 'Resume', now: clock.now() })
  }

  revoke(id: string, reason: string): ConsentEntry {
    const { lives, clock, enactment } = this.#parts
    const life = lives.find(id)
    // Revoked before, on disk only now. What else the disk did not take may not hold up a revocation, which takes its place.
    if (life.state.phase === 'revoked' && enactment.settle(life)) return entryOf(life, clock.now())
    return enactment.act(life, { type: 'Revoke', now: clock.now() }, { content: { reason } })
  }

  revokeAll(reason: string): readonly ConsentEntry[] {
    const { lives, clock, enactment, epoch, history, tellings } = this.#parts
    const now = clock.now()
    const given = lives.all().filter(({ state }) => isGiven(state))
    // All of them end, and everybody is told, also when the disk takes and gives none of it. What runs ends first.
    attemptAll([
      ...given.map((life) => () => enactment.act(life, { type: 'Revoke', now }, { content: { reason } })),
      // Looked up only now: what a revocation has taken the place of must not be written over it.
      () => attemptAll(enactment.unwritten()),
      () => {
        const to = epoch.raise((raised) => history.write('revoked', 'all', 'done', { reason, epoch: raised }))
        tellings.tell(everything(to.certificate, now + MAX_LIFETIME_MS))
      },
      () => this.#settleEpoch(),
    ])
    return given.map((life) => entryOf(life, clock.now()))
  }

  /** @returns the consents that it suspended, also in a call before that failed */
  putBack(reason: string): readonly ConsentEntry[] {
    const { lives, clock, enactment, epoch, records } = this.#parts
    // First what time has ended: by a clock that is put right later it could be open again. And what the disk did not take.
    this.sweep()
    const open = lives.all().filter(({ state }) => state.phase === 'granted' || state.phase === 'renewed')
    for (const life of open) this.#putBack.add(life)
    // Each by itself: memory takes a suspension at once, so a transaction around them all could undo it on disk alone.
    attemptAll(
      open.map((life) => () => {
        enactment.act(life, { type: 'Suspend', now: clock.now() }, { content: { reason } })
      }),
    )
    try {
      epoch.jump(() => records.savePutBack())
    } catch (cause) {
      const text = `every consent is suspended, but the disk did not take that its record was put back (${errorText(cause)}): free some space and do this again`
      throw refuse('consent/not-written', text, {}, cause)
    }
    const suspended = [...this.#putBack].filter(({ state }) => state.phase === 'suspended')
    this.#putBack.clear()
    return suspended.map((life) => entryOf(life, clock.now()))
  }

  /** Revokes what a certificate of the owner ends and this machine knows nothing of: its database was put back. */
  learn(text: string): void {
    const { lives, clock, enactment, epoch, history, volunteer } = this.#parts
    if (issuerOf(text) !== volunteer.id) return
    const { minEpoch, consents, until } = verifyCertificate(text)
    const now = clock.now()
    if (now >= until) return
    const isMeant = (life: Life): boolean =>
      minEpoch === null
        ? tokensOf(life.state).some((token) => consents?.includes(token))
        : life.held !== null && life.held.claims.epoch < minEpoch
    const content = { reason: 'the mesh knows that it was revoked' }
    attemptAll([
      ...lives
        .all()
        .filter((life) => isGiven(life.state) && isMeant(life))
        .map((life) => () => enactment.act(life, { type: 'Revoke', now }, { content })),
      () => {
        if (minEpoch === null) return
        epoch.learn(minEpoch, text, (raised) =>
          history.write('revoked', 'all', 'done', { ...content, epoch: raised }),
        )
      },
      () => this.#settleEpoch(),
    ])
  }

  /** The revocation of everything, as long as anything that it ends may not have ended by itself; null when there was none. */
  revokedAll(): OwnRevocation | null {
    const { epoch, clock } = this.#parts
    if (epoch.told === null) return null
    const { until } = verifyCertificate(epoch.told)
    return clock.now() >= until ? null : everything(epoch.told, until)
  }

  settle(id: string): void {
    const { lives, enactment } = this.#parts
    enactment.settle(lives.find(id))
  }

  sweep(): void {
    const { lives, clock, enactment, uses, history } = this.#parts
    const now = clock.now()
    const ending = lives.all().filter(({ state }) => step(state, { type: 'Expire', now }).effects.length > 0)
    attemptAll([
      ...enactment.unwritten(),
      ...ending.map((life) => () => enactment.act(life, { type: 'Expire', now })),
      () => this.#settleEpoch(),
      () => uses.flush(),
      // What the audit log did not take when it was done.
      () => void history.settled(),
    ])
  }

  #settleEpoch(): void {
    try {
      this.#parts.epoch.settle()
    } catch (cause) {
      const text = `every consent is revoked, but the disk did not take it (${errorText(cause)}): free some space before the agent is stopped, it is tried again every second`
      throw refuse('consent/not-written', text, {}, cause)
    }
  }
}

function everything(certificate: string, until: Timestamp): OwnRevocation {
  return { requester: null, tokens: [], certificate, until }
}

/** Does all of it, whatever fails. @throws the first error */
function attemptAll(attempts: readonly (() => unknown)[]): void {
  const errors: unknown[] = []
  for (const attempt of attempts) {
    try {
      attempt()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
