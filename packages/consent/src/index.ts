/** Floor 4: what a volunteer allowed, as a signed token that anyone can check offline. */
export * from './gate.ts'
export * from './token.ts'
