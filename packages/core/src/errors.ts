/**
 * An error with a stable code. Switch on `code`, never on the text. The text says what happened,
 * what was expected and received, and where it helps what to do.
 */
export class AskeeError<Code extends string = string, Details extends object = object> extends Error {
  readonly code: Code
  readonly details: Details

  constructor(code: Code, message: string, details?: Details, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'AskeeError'
    this.code = code
    this.details = details ?? ({} as Details)
  }
}

/** The code of an error, or undefined when it is none of ours. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof AskeeError ? error.code : undefined
}

/** One line about any thrown value, for logs and messages. */
export function errorText(error: unknown): string {
  if (error instanceof AskeeError) return `${error.code}: ${error.message}`
  if (error instanceof Error) return `${error.name}: ${error.message}`
  return String(error)
}
