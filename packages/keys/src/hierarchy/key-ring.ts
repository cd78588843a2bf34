import {
  AskeeError,
  type AuditSink,
  type Clock,
  errorText,
  type Logger,
  type Random,
  type Startable,
  type Timers,
} from '@askee/core'
import { type Identity, identityFromSeed } from '../identity.ts'
import type { KeyStore } from '../key-store/index.ts'
import { type SealingKeyPair, sealingKeyPair } from '../sealing/suites.ts'
import {
  activeKey,
  type ChainEffect,
  type ChainEvent,
  type ChainState,
  emptyChain,
  type KeyRecord,
  type RevocationReason,
} from './chain.ts'
import { loadChain, saveChain } from './chain-file.ts'
import { publicKeyOf, reconcileSecrets, SEED_BYTES, sameKeys, secretName } from './chain-secrets.ts'
import { kidOf, signKeyBundle, signKeyRevocation, verifyKeyRevocation } from './documents.ts'
import { stepChain } from './machine.ts'
import { isOpenable } from './states.ts'
import {
  CHAIN_USES,
  type ChainUse,
  type KeyUse,
  ROTATION_POLICIES,
  type RotationPolicy,
  type SealingUse,
} from './uses.ts'

/** Tells other nodes of signed documents. May fail: revocations are told again, bundles are asked for. */
export interface KeyAnnouncer {
  announce(kind: 'bundle' | 'revocation' | 'void', document: Uint8Array): Promise<void>
}

export interface KeyRingComponents {
  readonly identity: Identity
  readonly store: KeyStore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly announcer: KeyAnnouncer
  /** Every key made, revoked and destroyed is written down here. */
  readonly audit?: AuditSink
}

export interface KeyRingInit {
  readonly policies?: Readonly<Record<ChainUse, RotationPolicy>>
}

/** This node's own keys. */
export interface KeyRing extends Startable {
  /** Every key of every chain, for people to look at. */
  keys(): readonly (KeyRecord & { readonly use: ChainUse })[]
  /** Signed bundles and revocations that others need now, revocations first. */
  documents(): { readonly revocations: Uint8Array[]; readonly bundles: Uint8Array[] }
  /**
   * The key pair that opens what was sealed to `kid`.
   * @throws AskeeError `keys/unknown-key`, `keys/key-expired` its grace is over, `keys/key-revoked`
   */
  keyPair(use: SealingUse, kid: string): Promise<SealingKeyPair>
  /** Signs with the active key of a chain of signing keys. */
  sign(use: 'audit' | 'status', message: Uint8Array): Promise<{ kid: string; signature: Uint8Array }>
  /** A new key now; the old one opens what is under way until its grace is over. */
  rotate(use: ChainUse): Promise<void>
  /**
   * Voids every key of the uses (default: all) at once, makes new ones, and tells everyone. Resolves when the old secrets are
   * gone and the announcer was asked; rejects with the first failure, after all the rest was done.
   */
  emergency(reason: RevocationReason, uses?: readonly ChainUse[]): Promise<void>
  /** Declares the node's identity void, for ever. The caller makes a new one. */
  revokeIdentity(reason: RevocationReason): Promise<void>
  /**
   * Calls back for every key that opens nothing from now on, its grace being over or for an emergency, before anything else
   * is done about it; for `signing` when the identity is void. The returned function ends it.
   */
  onDead(listener: (use: KeyUse, kid: string) => void): () => void
  /** Calls back for every key that this process makes, before it is published. The returned function ends it. */
  onMade(listener: (use: ChainUse, kid: string) => void): () => void
}

const TICK_PERIOD = 60_000
/** Whoever missed a revocation hears of it within the hour. Bundles are asked for. */
const REMIND_PERIOD = 3_600_000
const IDENTITY_REVOCATION = 'identity-revocation'
const FOR_EVER = Number.MAX_SAFE_INTEGER

export function createKeyRing(components: KeyRingComponents, init: KeyRingInit = {}): KeyRing {
  return new StoredKeyRing(components, init)
}

class StoredKeyRing implements KeyRing {
  readonly #parts: KeyRingComponents
  readonly #policies: Readonly<Record<ChainUse, RotationPolicy>>
  readonly #chains = new Map<ChainUse, ChainState>()
  readonly #pairs = new Map<string, Promise<SealingKeyPair>>()
  readonly #cancels: (() => void)[] = []
  /** One event at a time. */
  #lane: Promise<unknown> = Promise.resolve()
  /** Uses of which something could not be carried out. */
  readonly #owed = new Set<ChainUse>()
  readonly #listeners = new Set<(use: KeyUse, kid: string) => void>()
  readonly #makers = new Set<(use: ChainUse, kid: string) => void>()
  #telling: Promise<void> = Promise.resolve()
  #identityRevocation: Uint8Array | undefined

  constructor(components: KeyRingComponents, init: KeyRingInit) {
    this.#parts = components
    this.#policies = init.policies ?? ROTATION_POLICIES
  }

  async start(): Promise<void> {
    this.#identityRevocation = await this.#keptIdentityRevocation()
    for (const use of CHAIN_USES) {
      const empty = emptyChain(use, this.#policies[use])
      const chain = (await loadChain(this.#parts.store, empty)) ?? empty
      this.#chains.set(use, chain)
      const now = this.#parts.clock.now()
      if ((await reconcileSecrets(this.#parts.store, chain)) === 'lost') {
        await this.#send(use, { type: 'compromised', now, reason: 'lost' })
      }
      await this.#send(use, { type: 'loaded', now })
    }
    this.#cancels.push(
      this.#parts.timers.every(TICK_PERIOD, () => void this.#tick()),
      this.#parts.timers.every(REMIND_PERIOD, () => {
        for (const document of this.documents().revocations) this.#tell('revocation', document)
      }),
    )
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels.splice(0)) cancel()
    await this.#lane.catch(() => undefined)
    this.#pairs.clear()
  }

  keys(): readonly (KeyRecord & { readonly use: ChainUse })[] {
    return [...this.#chains].flatMap(([use, chain]) => chain.keys.map((key) => ({ use, ...key })))
  }

  documents(): { revocations: Uint8Array[]; bundles: Uint8Array[] } {
    const revocations = this.#identityRevocation === undefined ? [] : [this.#identityRevocation]
    const bundles: Uint8Array[] = []
    for (const [use, chain] of this.#chains) {
      for (const revocation of chain.revocations) revocations.push(this.#signRevocation(use, revocation))
      for (const key of chain.keys) {
        if (key.state === 'active' || key.state === 'pre-active') bundles.push(this.#signBundle(use, key))
      }
    }
    return { revocations, bundles }
  }

  async keyPair(use: SealingUse, kid: string): Promise<SealingKeyPair> {
    const key = this.#chains.get(use)?.keys.find((held) => held.kid === kid)
    if (key === undefined || !isOpenable(key.state)) throw this.#unusable(use, kid, key)
    // The timer may be late: time decides, not the last tick.
    if (key.expires + this.#policies[use].grace <= this.#parts.clock.now()) {
      throw this.#unusable(use, kid, key)
    }
    const held = this.#pairs.get(kid) ?? this.#loadPair(use, kid)
    this.#pairs.set(kid, held)
    try {
      return await held
    } catch (error) {
      this.#pairs.delete(kid)
      throw error
    }
  }

  async sign(use: 'audit' | 'status', message: Uint8Array): Promise<{ kid: string; signature: Uint8Array }> {
    await this.#send(use, { type: 'tick', now: this.#parts.clock.now() })
    const key = activeKey(this.#chains.get(use) as ChainState)
    if (key === undefined) throw new AskeeError('keys/unknown-key', `there is no active key for ${use}`)
    const seed = await this.#parts.store.read(secretName(use, key.kid))
    if (seed === undefined) throw new AskeeError('keys/unknown-key', `the secret of ${key.kid} is gone`)
    return { kid: key.kid, signature: identityFromSeed(seed).sign(message) }
  }

  async rotate(use: ChainUse): Promise<void> {
    await this.#send(use, { type: 'rotate', now: this.#parts.clock.now() })
  }

  async emergency(reason: RevocationReason, uses: readonly ChainUse[] = CHAIN_USES): Promise<void> {
    const now = this.#parts.clock.now()
    const turns = await Promise.allSettled(
      uses.map((use) => this.#send(use, { type: 'compromised', now, reason })),
    )
    await this.#telling
    const failed = turns.find((turn) => turn.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async revokeIdentity(reason: RevocationReason): Promise<void> {
    const revokedAt = this.#parts.clock.now()
    this.#identityRevocation = signKeyRevocation(this.#parts.identity, {
      use: 'signing',
      sequence: 0,
      kids: [],
      revokedAt,
      until: FOR_EVER,
      reason,
    })
    this.#dead('signing', kidOf('signing', this.#parts.identity.publicKey))
    await this.#parts.store.replace(IDENTITY_REVOCATION, this.#identityRevocation)
    this.#tell('revocation', this.#identityRevocation)
    await this.#telling
  }

  onDead(listener: (use: KeyUse, kid: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  onMade(listener: (use: ChainUse, kid: string) => void): () => void {
    this.#makers.add(listener)
    return () => void this.#makers.delete(listener)
  }

  #dead(use: KeyUse, kid: string): void {
    for (const listener of this.#listeners) listener(use, kid)
  }

  /** Told for ever, unless the node has a new identity by now. */
  async #keptIdentityRevocation(): Promise<Uint8Array | undefined> {
    const kept = await this.#parts.store.read(IDENTITY_REVOCATION)
    if (kept === undefined) return undefined
    return verifyKeyRevocation(kept).node === this.#parts.identity.id ? kept : undefined
  }

  /** Steps the chain and carries out what follows; the new state is on disk before anybody is told. */
  #send(use: ChainUse, event: ChainEvent): Promise<void> {
    const turn = this.#lane.then(() => this.#step(use, event))
    this.#lane = turn.catch(() => undefined)
    return turn
  }

  /**
   * Whatever fails, the rest is still done: an emergency may not stop half way because a log is full. What failed is owed,
   * and done again with the next tick.
   */
  async #step(use: ChainUse, event: ChainEvent): Promise<void> {
    const before = this.#chains.get(use) as ChainState
    const { state, effects } = stepChain(before, event)
    if (effects.length === 0 && sameKeys(before, state)) return
    this.#chains.set(use, state)
    for (const effect of effects) if (effect.type === 'destroy') this.#dead(use, effect.kid)
    const failures: unknown[] = []
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        this.#owed.add(use)
        failures.push(error)
      }
    }
    await attempt(() => saveChain(this.#parts.store, state))
    for (const effect of effects) await attempt(() => this.#carryOut(use, effect))
    if (failures.length > 0) throw failures[0]
  }

  async #carryOut(use: ChainUse, effect: ChainEffect): Promise<void> {
    switch (effect.type) {
      case 'make': {
        const seed = this.#parts.random.bytes(SEED_BYTES)
        const publicKey = await publicKeyOf(use, seed)
        const kid = kidOf(use, publicKey)
        // On disk before anybody can seal to it.
        await this.#parts.store.replace(secretName(use, kid), seed)
        seed.fill(0)
        for (const listener of this.#makers) listener(use, kid)
        const now = this.#parts.clock.now()
        return this.#step(use, { type: 'made', now, sequence: effect.sequence, kid, publicKey })
      }
      case 'publish': {
        const key = this.#chains.get(use)?.keys.find(({ kid }) => kid === effect.kid)
        if (key === undefined) return
        this.#tell('bundle', this.#signBundle(use, key))
        return this.#writeDown('key.published', use, { kid: effect.kid })
      }
      case 'revoke': {
        const { sequence, reason } = effect.revocation
        this.#tell('revocation', this.#signRevocation(use, effect.revocation))
        return this.#writeDown('key.revoked', use, { sequence, reason })
      }
      case 'destroy': {
        this.#pairs.delete(effect.kid)
        await this.#parts.store.destroy(secretName(use, effect.kid))
        await this.#step(use, { type: 'secret-gone', kid: effect.kid })
        return this.#writeDown('key.destroyed', use, { kid: effect.kid })
      }
    }
  }

  async #writeDown(
    action: 'key.published' | 'key.revoked' | 'key.destroyed',
    use: ChainUse,
    content: Record<string, string | number>,
  ): Promise<void> {
    await this.#parts.audit?.append({
      action,
      subject: 'system',
      outcome: 'done',
      content: { use, ...content },
    })
  }

  async #tick(): Promise<void> {
    for (const use of CHAIN_USES) {
      const type = this.#owed.delete(use) ? 'loaded' : 'tick'
      await this.#send(use, { type, now: this.#parts.clock.now() }).catch((error: unknown) => {
        this.#parts.logger.error({ use, error: errorText(error) }, 'keys could not be rotated')
      })
    }
  }

  /** In order, and apart from the chains: a slow network holds up no emergency. */
  #tell(kind: 'bundle' | 'revocation', document: Uint8Array): void {
    this.#telling = this.#telling
      .then(() => this.#parts.announcer.announce(kind, document))
      .catch((error: unknown) => {
        this.#parts.logger.warn({ kind, error: errorText(error) }, 'nobody could be told of a key')
      })
  }

  #signBundle(use: ChainUse, { state: _, ...bundle }: KeyRecord): Uint8Array {
    return signKeyBundle(this.#parts.identity, { use, ...bundle })
  }

  #signRevocation(use: ChainUse, revocation: ChainState['revocations'][number]): Uint8Array {
    return signKeyRevocation(this.#parts.identity, { use, ...revocation, kids: [...revocation.kids] })
  }

  async #loadPair(use: SealingUse, kid: string): Promise<SealingKeyPair> {
    const seed = await this.#parts.store.read(secretName(use, kid))
    if (seed === undefined) throw this.#unusable(use, kid, undefined)
    const { pair } = await sealingKeyPair(use, seed)
    seed.fill(0)
    return pair
  }

  #unusable(use: ChainUse, kid: string, key: KeyRecord | undefined): AskeeError {
    const revoked = this.#chains.get(use)?.revocations.some(({ kids }) => kids.includes(kid)) ?? false
    if (revoked || key?.state === 'compromised') {
      return new AskeeError('keys/key-revoked', `the key ${kid} was revoked; ask for the new one`)
    }
    if (key !== undefined)
      return new AskeeError('keys/key-expired', `the key ${kid} is over; ask for the new one`)
    return new AskeeError('keys/unknown-key', `there is no key ${kid} for ${use}`)
  }
}
