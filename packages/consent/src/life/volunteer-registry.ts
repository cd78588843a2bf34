import type { Clock, NodeId } from '@askee/core'
import type { ConsentLimits, ConsentQuestion, CoveringConsent, EndedConsents } from '../gate.ts'
import type { ConsentChoices } from '../meet.ts'
import type { ConsentPermissions, ConsentTerms } from '../terms.ts'
import { Enactment, revocationOf } from './enactment.ts'
import { Ending } from './ending.ts'
import { Granting } from './granting.ts'
import { type ConsentHistory, openHistory } from './history.ts'
import { Listeners } from './listeners.ts'
import { entryOf, Lives } from './lives.ts'
import { LivesGate } from './lives-gate.ts'
import { OwnEpoch } from './own-epoch.ts'
import { createConsentRecords } from './records.ts'
import type {
  ConsentEntry,
  ConsentRegistry,
  ConsentRegistryInit,
  ConsentReview,
  OwnRevocation,
  RegistryComponents,
} from './registry.ts'
import { StatusKeeper } from './status-keeper.ts'
import type { ProcessorHold } from './text.ts'
import { Uses } from './uses.ts'

/** The shell around the machine: puts granting, ending and looking up together over one set of lives. */
export class VolunteerRegistry implements ConsentRegistry {
  readonly history: ConsentHistory
  readonly statusUri: string
  readonly #clock: Clock
  readonly #lives: Lives
  readonly #status: StatusKeeper
  readonly #uses: Uses
  readonly #gate: LivesGate
  readonly #ends: Listeners<EndedConsents>
  readonly #tellings: Listeners<OwnRevocation>
  readonly #granting: Granting
  readonly #ending: Ending

  constructor(components: RegistryComponents, { subject }: ConsentRegistryInit) {
    const { database, volunteer, logger, clock } = components
    this.#clock = clock
    this.statusUri = `askee://${subject}/consent-status`
    this.history = openHistory(components)
    const records = createConsentRecords(database)
    this.#lives = Lives.load(records, this.history, { issuer: volunteer.id, subject }, logger)
    this.#gate = new LivesGate(this.#lives, clock)
    this.#ends = new Listeners(logger)
    this.#tellings = new Listeners(logger)
    this.#status = new StatusKeeper(components, this.statusUri)
    this.#uses = new Uses(({ consent, campaign, purpose, tasks }) =>
      this.history.write('used', consent, 'done', { campaign, purpose, tasks }),
    )
    const shared = {
      ...components,
      subject,
      statusUri: this.statusUri,
      records,
      history: this.history,
      lives: this.#lives,
      status: this.#status,
      uses: this.#uses,
      ends: this.#ends,
      tellings: this.#tellings,
      epoch: new OwnEpoch(components, records),
    }
    const enactment = new Enactment(shared)
    this.#granting = new Granting({ ...shared, enactment })
    this.#ending = new Ending({ ...shared, enactment })
  }

  invite(text: string): ConsentEntry {
    return this.#granting.invite(text)
  }

  propose(requester: NodeId, terms: ConsentTerms): ConsentEntry {
    return this.#granting.propose(requester, terms)
  }

  review(
    id: string,
    choices: ConsentChoices,
    containment: 'contained' | 'process',
    processor: ProcessorHold = 'not-held',
  ): ConsentReview {
    return this.#granting.review(id, choices, containment, processor)
  }

  grant(id: string, shown: string): ConsentEntry {
    return this.#granting.grant(id, shown)
  }

  refuse(id: string, reason: string): ConsentEntry {
    return this.#granting.refuse(id, reason)
  }

  renew(id: string, choices: ConsentChoices = {}): ConsentEntry {
    return this.#granting.renew(id, choices)
  }

  suspend(id: string, reason: string): ConsentEntry {
    return this.#ending.suspend(id, reason)
  }

  resume(id: string): ConsentEntry {
    return this.#ending.resume(id)
  }

  revoke(id: string, reason: string): ConsentEntry {
    return this.#ending.revoke(id, reason)
  }

  revokeAll(reason: string): readonly ConsentEntry[] {
    return this.#ending.revokeAll(reason)
  }

  putBack(reason: string): readonly ConsentEntry[] {
    return this.#ending.putBack(reason)
  }

  learn(certificate: string): void {
    this.#ending.learn(certificate)
  }

  settle(id: string): void {
    this.#ending.settle(id)
  }

  sweep(): void {
    this.#ending.sweep()
  }

  list(): readonly ConsentEntry[] {
    return this.#lives.all().map((life) => entryOf(life, this.#clock.now()))
  }

  show(id: string): ConsentEntry {
    return entryOf(this.#lives.find(id), this.#clock.now())
  }

  covering(question: ConsentQuestion): CoveringConsent | undefined {
    return this.#gate.covering(question)
  }

  check(consentId: string, question: ConsentQuestion): ConsentPermissions {
    return this.#gate.check(consentId, question)
  }

  hasEnded(consentId: string): boolean {
    return this.#gate.hasEnded(consentId)
  }

  limitsOf(consentId: string): ConsentLimits | undefined {
    return this.#gate.limitsOf(consentId)
  }

  used(consentId: string, use: { readonly campaign: string; readonly purpose: string }): void {
    const life = this.#lives.ofToken(consentId)
    if (life !== undefined) this.#uses.add(life.id, use)
  }

  onEnded(listener: (ended: EndedConsents) => void): () => void {
    return this.#ends.add(listener)
  }

  onRevoked(listener: (revocation: OwnRevocation) => void): () => void {
    return this.#tellings.add(listener)
  }

  revocations(): readonly OwnRevocation[] {
    const own = this.#lives.all().flatMap((life) => {
      const { state } = life
      if (state.phase !== 'revoked' || this.#clock.now() >= state.given.expires) return []
      const revocation = revocationOf(life)
      return revocation === null ? [] : [revocation]
    })
    const all = this.#ending.revokedAll()
    return all === null ? own : [...own, all]
  }

  statusList(): string {
    return this.#status.signed(this.#lives.all())
  }
}
