/** Paranoid mode: two independent layers, only what is critical, entered and left by a signed alert. */
export { type Alert, signAlert, verifyAlert } from './alert.ts'
export type { AlertRefusal, ParanoidRules, ParanoidState } from './machine.ts'
export { type ConversationComponents, type Conversations, openConversations } from './paranoid.ts'
