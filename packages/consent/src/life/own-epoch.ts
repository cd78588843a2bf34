import type { Clock, Random } from '@askee/core'
import { toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import { signCertificate } from '../revocation/certificate.ts'
import { MAX_LIFETIME_MS } from '../terms.ts'
import type { ConsentRecords } from './records.ts'

/** A certificate that ends everything below its epoch. */
export interface EpochRevocation {
  readonly epoch: number
  readonly certificate: string
}

/** The owner's epoch: raising it ends every token of the owner, also those that are not known here. */
export class OwnEpoch {
  readonly #components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity }
  readonly #records: ConsentRecords

  constructor(
    components: { readonly clock: Clock; readonly random: Random; readonly volunteer: Identity },
    records: ConsentRecords,
  ) {
    this.#components = components
    this.#records = records
  }

  get current(): number {
    return this.#records.epoch().epoch
  }

  /** Signed ahead, at a grant, so that everything can be revoked even when the key is lost. */
  keepCertificate(): void {
    const { epoch, certificate } = this.#records.epoch()
    if (certificate === null) this.#records.saveEpoch(epoch, this.#certificate(epoch + 1))
  }

  /** @param record written in the same transaction */
  raise(record: (epoch: number) => void): EpochRevocation {
    const { epoch, certificate } = this.#records.epoch()
    const raised = { epoch: epoch + 1, certificate: certificate ?? this.#certificate(epoch + 1) }
    this.#records.atomically(() => {
      this.#records.saveEpoch(raised.epoch, null)
      record(raised.epoch)
    })
    return raised
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
