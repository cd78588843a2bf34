import { type AuditEvent, errorText, type NodeId, toHex } from '@askee/core'
import { refuse } from '../errors.ts'
import type { ConsentQuestion, CoveringConsent, EndedConsents } from '../gate.ts'
import { type ConsentChoices, differences, meet } from '../meet.ts'
import { type ConsentPermissions, type ConsentTerms, MAX_LIFETIME_MS } from '../terms.ts'
import { grantConsent, renewConsent, type SignedConsent } from '../token/grant.ts'
import { type ConsentHistory, openHistory } from './history.ts'
import { Listeners } from './listeners.ts'
import { entryOf, type Life, Lives, tokensOf } from './lives.ts'
import { LivesGate } from './lives-gate.ts'
import { isOpen, step, UNKNOWN } from './machine.ts'
import { signConsentManifest, verifyConsentManifest } from './manifest.ts'
import { OwnEpoch } from './own-epoch.ts'
import { type ConsentRecords, createConsentRecords } from './records.ts'
import type {
  ConsentEntry,
  ConsentRegistry,
  ConsentRegistryInit,
  ConsentReview,
  OwnRevocation,
  RegistryComponents,
} from './registry.ts'
import type { ConsentAction } from './state.ts'
import { StatusKeeper } from './status-keeper.ts'
import { consentText, type ProcessorHold, textDigest } from './text.ts'
import { Uses } from './uses.ts'

/** Open invitations kept; beyond them the oldest that nobody answered is refused. */
const MAX_OPEN = 64
/** How long what the owner wrote down stands. */
const PROPOSAL_LIFETIME_MS = 24 * 3_600_000

/** The shell around the machine: signs, writes down, opens and closes the door, tells those who listen. */
export class VolunteerRegistry implements ConsentRegistry {
  readonly history: ConsentHistory
  readonly statusUri: string
  readonly #components: RegistryComponents
  readonly #subject: NodeId
  readonly #records: ConsentRecords
  readonly #lives: Lives
  readonly #status: StatusKeeper
  readonly #uses: Uses
  readonly #epoch: OwnEpoch
  readonly #gate: LivesGate
  readonly #ends: Listeners<EndedConsents>
  readonly #tellings: Listeners<OwnRevocation>
  /** What was closed while the disk did not take it. It is written as soon as the disk does. */
  readonly #unwritten = new Map<Life, () => void>()

  constructor(components: RegistryComponents, { subject }: ConsentRegistryInit) {
    const { database, volunteer, logger } = components
    this.#components = components
    this.#subject = subject
    this.statusUri = `askee://${subject}/consent-status`
    this.history = openHistory(components)
    this.#records = createConsentRecords(database)
    this.#lives = Lives.load(this.#records, this.history, { issuer: volunteer.id, subject }, logger)
    this.#gate = new LivesGate(this.#lives, components.clock)
    this.#epoch = new OwnEpoch(components, this.#records)
    this.#ends = new Listeners(logger)
    this.#tellings = new Listeners(logger)
    this.#status = new StatusKeeper(components, this.statusUri)
    this.#uses = new Uses((consent, campaign, tasks) =>
      this.history.write('used', consent, 'done', { campaign, tasks }),
    )
  }

  invite(text: string): ConsentEntry {
    const { manifest, digest } = verifyConsentManifest(text)
    const { volunteer } = this.#components
    if (manifest.author !== manifest.requester && manifest.author !== volunteer.id) {
      throw refuse('consent/issuer', `the terms are signed by ${manifest.author}, who is not the requester`)
    }
    const known = this.#openInvitation(digest)
    if (known !== undefined) return this.#entry(known)
    this.#makeRoom()
    const { until, terms } = manifest
    const life: Life = {
      id: this.#id(),
      text,
      manifest,
      digest,
      state: UNKNOWN,
      statusIndex: null,
      changed: this.#now(),
      held: null,
    }
    this.#act(life, { type: 'Invite', now: this.#now(), asked: { manifest: digest, terms, until } })
    return this.#entry(life)
  }

  propose(requester: NodeId, terms: ConsentTerms): ConsentEntry {
    const own = this.#lives
      .all()
      .find(
        ({ state, manifest }) =>
          (state.phase === 'invited' || state.phase === 'reviewed') &&
          manifest.author === this.#components.volunteer.id &&
          manifest.requester === requester &&
          differences(manifest.terms, terms).length === 0 &&
          this.#now() < manifest.until,
      )
    if (own !== undefined) return this.#entry(own)
    const draft = { id: this.#id(), now: this.#now(), validFor: PROPOSAL_LIFETIME_MS, requester, terms }
    return this.invite(signConsentManifest(this.#components.volunteer, draft))
  }

  review(
    id: string,
    choices: ConsentChoices,
    containment: 'contained' | 'process',
    processor: ProcessorHold = 'not-held',
  ): ConsentReview {
    const life = this.#lives.find(id)
    const terms = meet(life.manifest.terms, choices)
    const text = consentText(life.manifest, terms, containment, processor)
    const shown = { terms, textDigest: textDigest(text) }
    this.#act(life, { type: 'Review', now: this.#now(), shown })
    const live = this.#lives
      .all()
      .find(
        ({ state, manifest }) => manifest.requester === life.manifest.requester && isOpen(state, this.#now()),
      )
    return {
      id: life.id,
      text,
      textDigest: shown.textDigest,
      terms,
      differences: live === undefined ? null : differences(entryOf(live, this.#now()).terms, terms),
    }
  }

  grant(id: string, shown: string): ConsentEntry {
    const life = this.#lives.find(id)
    const now = this.#now()
    const { state } = life
    const terms = state.phase === 'reviewed' ? state.shown.terms : life.manifest.terms
    const action = {
      type: 'Grant',
      now,
      textDigest: shown,
      token: life.id,
      expires: now + terms.lifetime,
    } as const
    this.#assertPossible(life, action)
    const index = this.#status.freeIndex(this.#lives.all())
    const signed = grantConsent(this.#components.volunteer, {
      id: life.id,
      now,
      subject: this.#subject,
      audience: life.manifest.requester,
      terms,
      textDigest: shown,
      manifest: life.digest,
      epoch: this.#epoch.current,
      status: { list: this.statusUri, index },
    })
    life.statusIndex = index
    this.#epoch.keepCertificate()
    this.#act(life, { ...action, expires: signed.claims.expires }, { signed })
    return this.#entry(life)
  }

  refuse(id: string, reason: string): ConsentEntry {
    return this.#simple(id, { type: 'Refuse', now: this.#now() }, { reason })
  }

  renew(id: string, choices: ConsentChoices = {}): ConsentEntry {
    const life = this.#lives.find(id)
    const now = this.#now()
    const { state, held } = life
    const before = 'given' in state ? state.given : null
    const asked = before === null ? life.manifest.terms : before.terms
    const terms = meet({ ...asked, maxRenewals: asked.maxRenewals - 1 }, choices)
    const token = this.#id()
    const action = { type: 'Renew', now, terms, token, expires: now + terms.lifetime } as const
    this.#assertPossible(life, action)
    if (held === null) throw refuse('consent/unknown', 'the token of this consent is damaged: grant it anew')
    const signed = renewConsent(this.#components.volunteer, held.claims, tokensOf(state), {
      id: token,
      now,
      terms,
    })
    this.#act(life, { ...action, expires: signed.claims.expires }, { signed })
    return this.#entry(life)
  }

  suspend(id: string, reason: string): ConsentEntry {
    return this.#simple(id, { type: 'Suspend', now: this.#now() }, { reason })
  }

  resume(id: string): ConsentEntry {
    this.#unwritten.get(this.#lives.find(id))?.()
    return this.#simple(id, { type: 'Resume', now: this.#now() })
  }

  revoke(id: string, reason: string): ConsentEntry {
    const life = this.#lives.find(id)
    const unwritten = this.#unwritten.get(life)
    unwritten?.()
    // Revoked before, on disk only now.
    if (unwritten !== undefined && life.state.phase === 'revoked') return this.#entry(life)
    return this.#simple(id, { type: 'Revoke', now: this.#now() }, { reason })
  }

  revokeAll(reason: string): readonly ConsentEntry[] {
    const now = this.#now()
    const given = this.#lives
      .all()
      .filter(({ state }) => ['granted', 'renewed', 'suspended'].includes(state.phase))
    // All of them end, also when the disk takes none of it.
    const attempts = [
      ...[...this.#unwritten.values()],
      ...given.map((life) => () => this.#act(life, { type: 'Revoke', now }, { content: { reason } })),
    ]
    attemptAll(attempts)
    const { certificate } = this.#epoch.raise((epoch) =>
      this.history.write('revoked', 'all', 'done', { reason, epoch }),
    )
    this.#tellings.tell({ requester: null, tokens: [], certificate, until: now + MAX_LIFETIME_MS })
    return given.map((life) => this.#entry(life))
  }

  sweep(): void {
    const now = this.#now()
    const ending = this.#lives
      .all()
      .filter(({ state }) => step(state, { type: 'Expire', now }).effects.length > 0)
    attemptAll([
      ...[...this.#unwritten.values()],
      ...ending.map((life) => () => this.#act(life, { type: 'Expire', now })),
      () => this.#uses.flush(),
      // What the audit log did not take when it was done.
      () => void this.history.settled(),
    ])
  }

  list(): readonly ConsentEntry[] {
    return this.#lives.all().map((life) => this.#entry(life))
  }

  show(id: string): ConsentEntry {
    return this.#entry(this.#lives.find(id))
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

  used(consentId: string, { campaign }: { readonly campaign: string }): void {
    const life = this.#lives.ofToken(consentId)
    if (life !== undefined) this.#uses.add(life.id, campaign)
  }

  onEnded(listener: (ended: EndedConsents) => void): () => void {
    return this.#ends.add(listener)
  }

  onRevoked(listener: (revocation: OwnRevocation) => void): () => void {
    return this.#tellings.add(listener)
  }

  revocations(): readonly OwnRevocation[] {
    return this.#lives.all().flatMap((life) => {
      const { state } = life
      if (state.phase !== 'revoked' || this.#now() >= state.given.expires) return []
      const revocation = revocationOf(life)
      return revocation === null ? [] : [revocation]
    })
  }

  statusList(): string {
    return this.#status.signed(this.#lives.all())
  }

  #simple(id: string, action: ConsentAction, content: AuditEvent['content'] = {}): ConsentEntry {
    const life = this.#lives.find(id)
    this.#act(life, action, { content })
    return this.#entry(life)
  }

  /** @throws AskeeError with the machine's reason; writes a refused grant down, for somebody tried */
  #assertPossible(life: Life, action: ConsentAction): void {
    const rejected = step(life.state, action).effects.find((effect) => effect.type === 'reject')
    if (rejected === undefined) return
    this.history.write(action.type === 'Renew' ? 'renewed' : 'granted', life.id, 'refused', {
      code: rejected.code,
    })
    throw refuse(rejected.code, rejected.text)
  }

  /** Carries an action out: closing and killing first, then the disk, then opening, then telling. */
  #act(
    life: Life,
    action: ConsentAction,
    more: { signed?: SignedConsent; content?: AuditEvent['content'] } = {},
  ): void {
    const { state, effects } = step(life.state, action)
    const { signed, content = {} } = more
    for (const effect of effects) {
      if (effect.type === 'reject') throw refuse(effect.code, effect.text)
      if (effect.type === 'close') life.state = state
      if (effect.type === 'kill') this.#ends.tell(effect)
    }
    const changed = this.#now()
    const write = (): void => {
      // By itself: a count that is undone with the rest would be lost.
      this.#uses.flush(life.id)
      this.#records.atomically(() => {
        this.#records.saveLife({
          id: life.id,
          state,
          manifest: life.text,
          statusIndex: life.statusIndex,
          changed,
        })
        if (signed !== undefined) this.#records.saveToken(life.id, signed)
        for (const effect of effects) {
          if (effect.type === 'record')
            this.history.write(effect.act, life.id, 'done', contentOf(life, content))
        }
      })
      this.#unwritten.delete(life)
      life.state = state
      life.changed = changed
      if (signed !== undefined) life.held = signed
      this.#lives.add(life)
      this.#status.changed()
      if (effects.some(({ type }) => type === 'tell')) {
        const revocation = revocationOf(life)
        if (revocation !== null) this.#tellings.tell(revocation)
      }
    }
    const attempt = (): void => {
      try {
        write()
      } catch (cause) {
        if (life.state !== state) throw cause
        this.#unwritten.set(life, attempt)
        const text = `the consent is closed and its work is stopped, but the disk did not take it (${errorText(cause)}): free some space before the agent is stopped, it is tried again every second`
        throw refuse('consent/not-written', text, { consent: life.id }, cause)
      }
    }
    attempt()
  }

  #openInvitation(digest: string): Life | undefined {
    return this.#lives
      .all()
      .find(
        (life) =>
          life.digest === digest && (life.state.phase === 'invited' || life.state.phase === 'reviewed'),
      )
  }

  #makeRoom(): void {
    const open = this.#lives
      .all()
      .filter(({ state }) => state.phase === 'invited' || state.phase === 'reviewed')
      .sort((a, b) => a.changed - b.changed)
    for (const life of open.slice(0, Math.max(0, open.length - MAX_OPEN + 1))) {
      this.#act(
        life,
        { type: 'Refuse', now: this.#now() },
        { content: { reason: 'too many open invitations' } },
      )
    }
  }

  #entry(life: Life): ConsentEntry {
    return entryOf(life, this.#now())
  }

  #id(): string {
    return toHex(this.#components.random.bytes(16))
  }

  #now(): number {
    return this.#components.clock.now()
  }
}

/** Does all of it, whatever fails. @throws the first error */
function attemptAll(attempts: readonly (() => void)[]): void {
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

function revocationOf({ held, state }: Life): OwnRevocation | null {
  if (held === null) return null
  const { claims, certificate } = held
  return { requester: claims.audience, tokens: tokensOf(state), certificate, until: claims.expires }
}

/** What the history says of every act, beside the act's own words. */
function contentOf({ manifest, digest }: Life, content: AuditEvent['content']): AuditEvent['content'] {
  return { requester: manifest.requester, manifest: digest, ...content }
}
