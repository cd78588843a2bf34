import { AskeeError } from '@askee/core'

/** Why a token, manifest, certificate, list or act is refused. Stable; the text beside it says what to do. */
export type ConsentErrorCode =
  /** Not a compact JWS of ours: size, form, encoding, unknown or missing fields. */
  | 'consent/malformed'
  /** A header that chooses something: keys, algorithms, extensions. */
  | 'consent/header'
  | 'consent/algorithm'
  | 'consent/type'
  | 'consent/version'
  | 'consent/signature'
  | 'consent/issuer'
  | 'consent/subject'
  | 'consent/audience'
  /** Shown by another than the key that it was given to. */
  | 'consent/holder'
  /** A child that allows more than its parent. */
  | 'consent/widened'
  /** A child that its parent's holder did not sign. */
  | 'consent/chain'
  | 'consent/depth'
  | 'consent/expired'
  | 'consent/not-yet-valid'
  | 'consent/revoked'
  /** A manifest that the owner said no to. */
  | 'consent/refused'
  | 'consent/suspended'
  /** Nothing is known that is young enough about whether it was revoked. */
  | 'consent/stale'
  | 'consent/kind'
  /** The work says that it is for something that the consent does not name. */
  | 'consent/purpose'
  | 'consent/limits'
  /** It would be more on disk than the consent allows. */
  | 'consent/storage'
  /** The same, however long somebody waits: it allows less than that alone needs. */
  | 'consent/storage-never'
  /** The consent allows no traffic at all. */
  | 'consent/bandwidth'
  | 'consent/unknown'
  /** The beginning of an id that several have. */
  | 'consent/ambiguous'
  /** The text that was shown is not the one of these terms. */
  | 'consent/text'
  /** Nobody has seen these terms yet. */
  | 'consent/unreviewed'
  /** The life cycle does not allow it from here. */
  | 'consent/phase'
  | 'consent/renewals'
  | 'consent/full'
  /** It holds in this process, and the disk did not take it: a full one, for instance. */
  | 'consent/not-written'

/** An error of this package. */
export function refuse(
  code: ConsentErrorCode,
  text: string,
  details: object = {},
  cause?: unknown,
): AskeeError<ConsentErrorCode> {
  return new AskeeError(code, text, details, cause === undefined ? undefined : { cause })
}
