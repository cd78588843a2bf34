import { decode, digestOf, encode, type Mesh } from '@askee/core'
import { decorate } from '@askee/core/testing'
import { type Identity, signDocument, verifyDocument } from '@askee/keys'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { revealAnswerSchema } from '../src/protocol/messages.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { Cluster, campaignOf } from './support/cluster.ts'
import { honest } from './support/function-executor.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

const DOMAIN = 'askee/receipts/1'
const anything = z.record(z.string(), z.unknown())

/** Answers to reveals whose receipts cite another consent than the assignment did. */
function citing(consent: string, identity: () => Identity): (mesh: Mesh) => Mesh {
  return (mesh) =>
    decorate(mesh, {
      handle: (protocol, limits, handler) =>
        mesh.handle(protocol, limits, async (request) => {
          const body = await handler(request)
          if (protocol !== PROTOCOLS.reveal) return body
          const answer = decode(body, revealAnswerSchema, 1e6)
          if (answer.document === null) return body
          const { value } = verifyDocument(answer.document, DOMAIN, anything, { maxBytes: 1e6 })
          return encode({ ...answer, document: signDocument(identity(), DOMAIN, { ...value, consent }) })
        }),
    })
}

it('CON-1 CMP-6 a receipt that cites another consent than its assignment is none', async () => {
  const requester = await cluster.requester()
  await cluster.volunteers(3)
  let identity: Identity | undefined
  const wrapMesh = citing(digestOf(new Uint8Array()).slice(0, 32), () => identity as Identity)
  const cheat = await cluster.volunteer(honest, { wrapMesh })
  identity = cheat.identity
  const lost: string[] = []
  requester.onEvent((event) => {
    if (event.type === 'lease-lost' && event.node === cheat.id) lost.push(event.reason)
  })
  const report = await requester.wait(await requester.submit(campaignOf(6)))
  expect(report.tasks.every(({ state }) => state === 'accepted')).toBe(true)
  expect(lost).toContain('withheld')
  expect(report.credit.has(cheat.id)).toBe(false)
})
