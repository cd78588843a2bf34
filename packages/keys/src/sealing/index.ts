/** Messages that only their recipient can read, once, and that say who sent them. */
export {
  type EnvelopeHeader,
  MAX_BODY_BYTES,
  MAX_CLOCK_SKEW,
  MAX_ENVELOPE_BYTES,
} from './envelope.ts'
export { ERROR_TYPE, type ErrorReply, errorReplyIn, sealErrorReply } from './error-reply.ts'
export {
  type AuthenticSender,
  createOpener,
  type EnvelopeErrorCode,
  type OpenedMessage,
  type Opener,
  type OpenerComponents,
} from './opener.ts'
export { createSealer, type Layers, type Message, type Sealer, type SealerComponents } from './sealer.ts'
