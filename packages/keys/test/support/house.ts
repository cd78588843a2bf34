import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom as random } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { afterAll, beforeAll } from 'vitest'
import {
  type Authority,
  type AuthorityState,
  type Capability,
  type Certificate,
  type CertificateSigner,
  createAuthority,
  issueIntermediate,
  issueRoot,
  openSoftwareSigner,
  requestCertificate,
  type Trust,
} from '../../src/authority/index.ts'
import { type Identity, type KeyStore, openKeyStore, openSoftwareDeviceKey } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-authority-'))
afterAll(() => rmSync(folder, { recursive: true }))

let store: KeyStore
beforeAll(async () => {
  const deviceKey = await openSoftwareDeviceKey({ path: join(folder, 'device.key'), random })
  store = await openKeyStore({ directory: join(folder, 'keys'), deviceKey, random })
})

let signers = 0
/** A signer that nobody else has. */
export function newSigner(): Promise<CertificateSigner> {
  return openSoftwareSigner(store, `signer-${signers++}`)
}

/** A root, an intermediate, and what they keep. */
export interface House {
  readonly clock: VirtualTime
  readonly rootSigner: CertificateSigner
  readonly signer: CertificateSigner
  readonly root: Certificate
  readonly intermediate: Certificate
  readonly rootAuthority: Authority
  readonly authority: Authority
  readonly kept: AuthorityState[]
  trust(): Promise<Trust>
  issue(node: Identity, capabilities?: Capability[], hours?: number): Promise<Certificate>
}

/** A whole house of certificates; `rootSigner` may be in a token. */
export async function house(rootSigner?: CertificateSigner, start = Date.now()): Promise<House> {
  const clock = new VirtualTime(start)
  const parts = { clock, random }
  const top = rootSigner ?? (await newSigner())
  const signer = await newSigner()
  const root = await issueRoot(parts, top, { name: 'Test House' })
  const intermediate = await issueIntermediate(parts, { signer: top, certificate: root }, signer, {
    name: 'Test House',
  })
  const kept: AuthorityState[] = []
  const grant = (_: string, asked: readonly Capability[]): readonly Capability[] =>
    asked.filter((one) => one !== 'operate')
  const keep = async (state: AuthorityState): Promise<void> => void kept.push(state)
  const rootAuthority = createAuthority({
    ...parts,
    signer: top,
    certificate: root,
    grant,
    keep: async () => {},
  })
  const authority = createAuthority({ ...parts, signer, certificate: intermediate, grant, keep })
  return {
    clock,
    rootSigner: top,
    signer,
    root,
    intermediate,
    rootAuthority,
    authority,
    kept,
    trust: async () => ({
      root,
      lists: { root: await rootAuthority.revocationList(), intermediate: await authority.revocationList() },
      now: clock.now(),
    }),
    issue: (node, capabilities = ['compute'], hours = 24) =>
      authority.issue(requestCertificate(node, { capabilities, hours, now: clock.now() })),
  }
}
