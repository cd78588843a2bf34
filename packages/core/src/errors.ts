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

const MAX_CODE_CHARACTERS = 64
const CODE = /^(?:internal|[a-z][a-z0-9-]*\/[a-z0-9][a-z0-9-]*)$/

/**
 * Whether a text can be a code: `area/what-happened`, or `internal` for what is told to nobody; 64 characters at most. What a
 * peer says is its reason is taken for nothing else: it goes to logs, to terminals and into decisions.
 */
export function isErrorCode(text: string): boolean {
  return text.length <= MAX_CODE_CHARACTERS && CODE.test(text)
}

/** One line about any thrown value, for logs and messages. */
export function errorText(error: unknown): string {
  if (error instanceof AskeeError) return `${error.code}: ${error.message}`
  if (error instanceof Error) return `${error.name}: ${error.message}`
  return String(error)
}
