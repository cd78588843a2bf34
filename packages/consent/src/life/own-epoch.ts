import type { Clock, Milliseconds, Random } from '@askee/core'
import { toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import { signCertificate, verifyCertificate } from '../revocation/certificate.ts'
import { MAX_LIFETIME_MS } from '../terms.ts'
import type { ConsentRecords } from './records.ts'

/**
 * A database that was put back does not know how often the epoch was raised since. The epoch of its time is above every one of
 * before as long as nobody revokes everything once in four seconds, again and again.
 */
const EPOCH_MS: Milliseconds = 4000
/**
 * Half of what a certificate can name, so that a clock that is wrong leaves room above. It is reached in the year 2106; from
 * then on an epoch of before may be above the one that a jump gives.
 */
const MAX_JUMP = 2 ** 30

/** A certificate that ends everything below its epoch. */
export interface EpochRevocation {
  readonly epoch: number
  readonly certificate: string
}

/** The owner's epoch: raising it ends every token of the owner, also those that are not known here. */
export class OwnEpoch {
  readonly #components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity }
  readonly #records: ConsentRecords
  /** Raised, and the disk did not take it. */
  #unwritten: (EpochRevocation & { readonly record: (epoch: number) => void }) | null = null

  constructor(
    components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity },
    records: ConsentRecords,
  ) {
    this.#components = components
    this.#records = records
  }

  /** The certificate of the last raise, or null when there was none. */
  get told(): string | null {
    return this.#unwritten?.certificate ?? this.#records.epoch().told
  }

  get current(): number {
    return this.#unwritten?.epoch ?? this.#records.epoch().epoch
  }

  /** Signed ahead, at a grant, so that everything can be revoked even when the key is lost. */
  keepCertificate(): void {
    this.settle()
    const { epoch, certificate, told } = this.#records.epoch()
    if (certificate !== null && this.#lasts(certificate)) return
    this.#records.saveEpoch({ epoch, certificate: this.#certificate(epoch + 1), told })
  }

  /**
   * It holds from now on; `settle` writes it down.
   * @param record written in the same transaction
   */
  raise(record: (epoch: number) => void): EpochRevocation {
    if (this.#unwritten === null) {
      const { epoch, certificate } = this.#records.epoch()
      const raised = epoch + 1
      const kept = certificate !== null && this.#lasts(certificate) ? certificate : this.#certificate(raised)
      this.#unwritten = { epoch: raised, certificate: kept, record }
    }
    return this.#unwritten
  }

  /** Writes a raised epoch down, if there is one. @throws what the disk says */
  settle(): void {
    const unwritten = this.#unwritten
    if (unwritten === null) return
    this.#records.atomically(() => {
      this.#records.saveEpoch({ epoch: unwritten.epoch, certificate: null, told: unwritten.certificate })
      unwritten.record(unwritten.epoch)
    })
    this.#unwritten = null
  }

  /**
   * For a database that was put back: grants from now on stand above every epoch of before, and nothing is revoked by it.
   * @param record written in the same transaction
   * @throws what the disk says
   */
  jump(record: () => void): void {
    this.settle()
    const { epoch, told } = this.#records.epoch()
    const jumped = Math.min(MAX_JUMP, Math.floor(this.#components.clock.now() / EPOCH_MS))
    this.#records.atomically(() => {
      this.#records.saveEpoch({ epoch: Math.max(epoch + 1, jumped), certificate: null, told })
      record()
    })
  }

  /**
   * Takes an epoch that this owner raised and this database does not know. It holds from now on; `settle` writes it down.
   * @param record written in the same transaction
   */
  learn(epoch: number, certificate: string, record: (epoch: number) => void): void {
    if (epoch > this.current) this.#unwritten = { epoch, certificate, record }
  }

  /** Whether it outlives every token that it is to end: one that was signed long ago would be over before them. */
  #lasts(certificate: string): boolean {
    return verifyCertificate(certificate).until >= this.#components.clock.now() + MAX_LIFETIME_MS
  }

  #certificate(minEpoch: number): string {
    const { clock, random, volunteer } = this.#components
    const now = clock.now()
    return signCertificate(volunteer, {
      id: toHex(random.bytes(16)),
      now,
      // Twice the longest life: it is signed at a grant and may be used as late as that one's end.
      until: now + 2 * MAX_LIFETIME_MS,
      minEpoch,
    })
  }
}
