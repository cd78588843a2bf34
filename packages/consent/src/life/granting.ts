import { type Clock, type NodeId, type Random, toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import { refuse } from '../errors.ts'
import { type ConsentChoices, chosenTerms, differences, meet } from '../meet.ts'
import type { ConsentTerms } from '../terms.ts'
import { grantConsent, renewConsent } from '../token/grant.ts'
import type { Enactment } from './enactment.ts'
import { entryOf, type Life, type Lives, tokensOf } from './lives.ts'
import { isOpen, UNKNOWN } from './machine.ts'
import { signConsentManifest, verifyConsentManifest } from './manifest.ts'
import type { OwnEpoch } from './own-epoch.ts'
import type { ConsentEntry, ConsentReview } from './registry.ts'
import type { StatusKeeper } from './status-keeper.ts'
import { consentText, type ProcessorHold, textDigest } from './text.ts'

/** Open invitations kept; beyond them the oldest that nobody answered is refused. */
const MAX_OPEN = 64
/** How long what the owner wrote down stands. */
const PROPOSAL_LIFETIME_MS = 24 * 3_600_000

export interface GrantingParts {
  readonly clock: Clock
  readonly random: Random
  readonly volunteer: Identity
  /** This node. */
  readonly subject: NodeId
  readonly statusUri: string
  readonly lives: Lives
  readonly status: StatusKeeper
  readonly epoch: OwnEpoch
  readonly enactment: Enactment
}

/** From the question to the answer: invitations, what is shown of them, grants and renewals. */
export class Granting {
  readonly #parts: GrantingParts

  constructor(parts: GrantingParts) {
    this.#parts = parts
  }

  invite(text: string): ConsentEntry {
    const { manifest, digest } = verifyConsentManifest(text)
    const { volunteer, clock, enactment } = this.#parts
    if (manifest.author !== manifest.requester && manifest.author !== volunteer.id) {
      throw refuse('consent/issuer', `the terms are signed by ${manifest.author}, who is not the requester`)
    }
    const known = this.#openInvitation(digest)
    if (known !== undefined) return entryOf(known, clock.now())
    this.#assertNotRefused(digest)
    this.#makeRoom()
    const { until, terms } = manifest
    const life: Life = {
      id: this.#id(),
      text,
      manifest,
      digest,
      state: UNKNOWN,
      statusIndex: null,
      changed: clock.now(),
      held: null,
    }
    return enactment.act(life, {
      type: 'Invite',
      now: clock.now(),
      asked: { manifest: digest, terms, until },
    })
  }

  propose(requester: NodeId, terms: ConsentTerms): ConsentEntry {
    const { lives, volunteer, clock } = this.#parts
    const own = lives
      .all()
      .find(
        ({ state, manifest }) =>
          (state.phase === 'invited' || state.phase === 'reviewed') &&
          manifest.author === volunteer.id &&
          manifest.requester === requester &&
          differences(manifest.terms, terms).length === 0 &&
          clock.now() < manifest.until,
      )
    if (own !== undefined) return entryOf(own, clock.now())
    const draft = { id: this.#id(), now: clock.now(), validFor: PROPOSAL_LIFETIME_MS, requester, terms }
    return this.invite(signConsentManifest(volunteer, draft))
  }

  review(
    id: string,
    choices: ConsentChoices,
    containment: 'contained' | 'process',
    processor: ProcessorHold,
  ): ConsentReview {
    const { lives, clock, enactment } = this.#parts
    const life = lives.find(id)
    const terms = meet(life.manifest.terms, choices)
    const text = consentText(life.manifest, terms, containment, processor)
    const shown = { terms, textDigest: textDigest(text) }
    enactment.act(life, { type: 'Review', now: clock.now(), shown })
    const live = lives
      .all()
      .find(
        ({ state, manifest }) => manifest.requester === life.manifest.requester && isOpen(state, clock.now()),
      )
    return {
      id: life.id,
      text,
      textDigest: shown.textDigest,
      terms,
      differences: live === undefined ? null : differences(entryOf(live, clock.now()).terms, terms),
    }
  }

  grant(id: string, shown: string): ConsentEntry {
    const { lives, clock, volunteer, subject, status, statusUri, epoch, enactment } = this.#parts
    const life = lives.find(id)
    const now = clock.now()
    const { state } = life
    const terms = state.phase === 'reviewed' ? state.shown.terms : life.manifest.terms
    const action = {
      type: 'Grant',
      now,
      textDigest: shown,
      token: life.id,
      expires: now + terms.lifetime,
    } as const
    enactment.assertPossible(life, action)
    const index = status.freeIndex(lives.all())
    const signed = grantConsent(volunteer, {
      id: life.id,
      now,
      subject,
      audience: life.manifest.requester,
      terms,
      textDigest: shown,
      manifest: life.digest,
      epoch: epoch.current,
      status: { list: statusUri, index },
    })
    life.statusIndex = index
    epoch.keepCertificate()
    return enactment.act(life, { ...action, expires: signed.claims.expires }, { signed })
  }

  refuse(id: string, reason: string): ConsentEntry {
    const { lives, clock, enactment } = this.#parts
    return enactment.act(lives.find(id), { type: 'Refuse', now: clock.now() }, { content: { reason } })
  }

  renew(id: string, choices: ConsentChoices): ConsentEntry {
    const { lives, clock, volunteer, enactment } = this.#parts
    const life = lives.find(id)
    const now = clock.now()
    const { state, held } = life
    const before = 'given' in state ? state.given : null
    const asked = before === null ? life.manifest.terms : before.terms
    // As it was wished: more than was granted is refused, and not cut to what was, which would spend a renewal.
    const terms = chosenTerms({ ...asked, maxRenewals: asked.maxRenewals - 1 }, choices)
    const token = this.#id()
    const action = { type: 'Renew', now, terms, token, expires: now + terms.lifetime } as const
    enactment.assertPossible(life, action)
    if (held === null) throw refuse('consent/unknown', 'the token of this consent is damaged: grant it anew')
    const signed = renewConsent(volunteer, held.claims, tokensOf(state), { id: token, now, terms })
    return enactment.act(life, { ...action, expires: signed.claims.expires }, { signed })
  }

  #openInvitation(digest: string): Life | undefined {
    return this.#parts.lives
      .all()
      .find(
        (life) =>
          life.digest === digest && (life.state.phase === 'invited' || life.state.phase === 'reviewed'),
      )
  }

  /** A no stands: the same document cannot be brought again until somebody says yes. */
  #assertNotRefused(digest: string): void {
    for (const { id, state, digest: own } of this.#parts.lives.all()) {
      if (own !== digest || state.phase !== 'refused' || state.crowded === true) continue
      throw refuse(
        'consent/refused',
        `you refused this very manifest on ${new Date(state.at).toISOString()} (consent ${id}), for good. If you have changed your mind, ask the requester to sign a new one.`,
        { consent: id },
      )
    }
  }

  #makeRoom(): void {
    const { lives, clock, enactment } = this.#parts
    const open = lives
      .all()
      .filter(({ state }) => state.phase === 'invited' || state.phase === 'reviewed')
      .sort((a, b) => a.changed - b.changed)
    for (const life of open.slice(0, Math.max(0, open.length - MAX_OPEN + 1))) {
      const content = { reason: 'too many open invitations' }
      enactment.act(life, { type: 'Refuse', now: clock.now(), crowded: true }, { content })
    }
  }

  #id(): string {
    return toHex(this.#parts.random.bytes(16))
  }
}
