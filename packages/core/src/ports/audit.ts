/** One security-relevant act. */
export interface AuditEvent {
  /** What was done, `area.act`: `consent.granted`, `key.rotated`. */
  readonly action: `${string}.${string}`
  /**
   * Whose data `content` is: a consent's id, a node's id, `system`. Content is sealed with a key of its own for each
   * subject, so that forgetting the subject makes it unreadable while the log stays whole.
   */
  readonly subject: string
  readonly outcome: 'done' | 'refused' | 'failed'
  /** What else there is to know; at most 16 KiB in canonical encoding. Never keys, tokens or task data. */
  readonly content: Readonly<Record<string, string | number | boolean | null>>
}

export interface AuditReceipt {
  /** Position in the log, from 0. */
  readonly index: number
  /** The leaf's hash (RFC 6962), hexadecimal. */
  readonly leaf: string
}

/** Where every security-relevant act is written down (AUD-1). */
export interface AuditSink {
  /** Resolves when the act is on disk: after that, no crash loses it. */
  append(event: AuditEvent): Promise<AuditReceipt>
}
