import { z } from 'zod'

const chainUse = z.enum(['sealing', 'sealing-inner', 'audit', 'status'])
/** Uses whose keys follow each other. */
export const KEY_CHAIN_USES = chainUse.options
export type KeyChainUse = z.output<typeof chainUse>

const uses = z.array(chainUse).min(1).max(chainUse.options.length).optional()

export const rotateKeysSchema = z.strictObject({ uses })
export type RotateKeysRequest = z.input<typeof rotateKeysSchema>

export const keyEmergencySchema = z.strictObject({ uses, reason: z.string().min(1).max(500) })
export type KeyEmergencyRequest = z.input<typeof keyEmergencySchema>

/** Two layers and critical conversations only, or all as usual. The agent signs it with the person's key. */
export const paranoidRequestSchema = z.strictObject({
  action: z.enum(['enter', 'leave']),
  reason: z.string().min(1).max(200),
})
export type ParanoidRequest = z.input<typeof paranoidRequestSchema>
export const paranoidSchema = z.strictObject({ mode: z.enum(['normal', 'paranoid']) })
export type ParanoidView = z.output<typeof paranoidSchema>

export const keyBackupSchema = z.strictObject({ passphrase: z.string().max(4096) })

const capability = z.enum(['request', 'compute', 'relay', 'witness', 'standby', 'operate'])
/** What a certificate may allow a node. */
export const NODE_CAPABILITIES = capability.options
export type NodeCapability = z.output<typeof capability>

export const certificateRequestSchema = z.strictObject({
  capabilities: z.array(capability).max(capability.options.length),
  hours: z.number().int().min(24).max(72),
})
export type CertificateRequest = z.input<typeof certificateRequestSchema>

export const deviceKeySchema = z.object({
  provider: z.string(),
  /** What it protects from, and what not. */
  protects: z.string(),
})

const document = z.base64().max(2048)
export const adoptRootSchema = z.strictObject({ root: z.string().max(64) })
export const keepRootSchema = z.strictObject({ certificate: document, adoption: document })
export const voidSchema = z.strictObject({ document })

export const rootTieSchema = z.object({
  /** Id of the owner's root. */
  root: z.string(),
  /** Milliseconds since 1970. */
  certifiedAt: z.number(),
})
export type RootTieView = z.output<typeof rootTieSchema>

export const voidedSchema = z.object({
  node: z.string(),
  root: z.string(),
  at: z.number(),
  reason: z.enum(['compromised', 'lost', 'ended']),
})
export type VoidedView = z.output<typeof voidedSchema>

export const keysSchema = z.object({
  node: z.string(),
  /** The owner's root that certified this node, if there is one. */
  root: rootTieSchema.nullable(),
  deviceKey: deviceKeySchema,
  keys: z.array(
    z.object({
      /** `signing` is the node's identity, which never rotates. */
      use: z.string(),
      kid: z.string(),
      state: z.enum(['pre-active', 'active', 'grace', 'retired', 'compromised', 'destroyed']),
      sequence: z.number(),
      /** Milliseconds since 1970; null for the identity. */
      notBefore: z.number().nullable(),
      expires: z.number().nullable(),
    }),
  ),
})
export type KeysView = z.output<typeof keysSchema>

export const peerKeysSchema = z.object({
  node: z.string(),
  /** For each use the key that would be used now, or the code of why there is none. */
  keys: z.array(
    z.object({
      use: chainUse,
      kid: z.string().nullable(),
      sequence: z.number().nullable(),
      notBefore: z.number().nullable(),
      expires: z.number().nullable(),
      code: z.string().nullable(),
    }),
  ),
})
export type PeerKeysView = z.output<typeof peerKeysSchema>
