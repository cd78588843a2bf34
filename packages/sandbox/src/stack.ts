/** Kibibytes of native stack that V8 may use: V8's own default on 64 bits. */
export const V8_STACK_KB = 984
