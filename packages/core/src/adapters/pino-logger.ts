import pino from 'pino'
import type { Logger } from '../ports/logger.ts'

/** Field names whose values never reach a log, wherever they stand in the first two levels. */
const REDACTED = ['token', 'secret', 'privateKey', 'seed', 'passphrase', 'authorization']

/**
 * JSON lines on a file descriptor (default 2, standard error: standard output belongs to data).
 * @param level lowest level written: debug, info, warn, error or silent
 */
export function createLogger(level: string, fields: object = {}, fd = 2): Logger {
  const paths = REDACTED.flatMap((name) => [name, `*.${name}`])
  return pino(
    { level, base: fields, redact: { paths, censor: '[redacted]' } },
    pino.destination({ dest: fd, sync: true }),
  )
}

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
