/**
 * The part of the driver that is used here. The package ships typings that its own `exports` hide from
 * the compiler's node resolution.
 */
declare module 'better-sqlite3-multiple-ciphers' {
  export interface RunResult {
    changes: number
    lastInsertRowid: number | bigint
  }
  export interface Statement {
    run(...parameters: unknown[]): RunResult
    get(...parameters: unknown[]): unknown
    all(...parameters: unknown[]): unknown[]
    iterate(...parameters: unknown[]): IterableIterator<unknown>
    /** Only the first column of each row. */
    pluck(): this
  }
  export default class Database {
    constructor(path: string, options?: { readonly?: boolean; fileMustExist?: boolean; timeout?: number })
    readonly open: boolean
    readonly inTransaction: boolean
    prepare(sql: string): Statement
    exec(sql: string): this
    pragma(source: string, options?: { simple?: boolean }): unknown
    transaction<A extends unknown[], R>(body: (...args: A) => R): (...args: A) => R
    /** The key of a file that is encrypted, or is to be; before anything is read. */
    key(key: Buffer): number
    /** Encrypts all of an open file with another key. */
    rekey(key: Buffer): number
    close(): this
  }
}
