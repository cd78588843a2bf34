import { type DatabaseRates, measureDatabases } from './databases.ts'

/**
 * STO-1: processor time of an encrypted database ÷ that of a plain one in the same run; geometric mean of rows written and of
 * rows read past the page cache.
 */
export function measureEncryption(rounds = 5): {
  readonly ratio: number
  /** The same for ChaCha20-Poly1305, the other cipher that authenticates pages. */
  readonly chacha20: number
  /** Rows in one batch ÷ rows in transactions of their own: a measure that does not see this sees nothing. */
  readonly rowByRow: number
} {
  const rates = measureDatabases(rounds, ['plain', 'sealed', 'chacha20'])
  const [plain, sealed, chacha20] = [rates.get('plain'), rates.get('sealed'), rates.get('chacha20')]
  if (plain === undefined || sealed === undefined || chacha20 === undefined) throw new Error('not measured')
  const against = ({ insert, coldGet }: DatabaseRates): number =>
    Math.sqrt((plain.insert / insert) * (plain.coldGet / coldGet))
  return { ratio: against(sealed), chacha20: against(chacha20), rowByRow: plain.insert / sealed.commit }
}
