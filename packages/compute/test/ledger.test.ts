import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { verifySettlement } from '../src/protocol/documents.ts'
import { openLedger } from '../src/worker/ledger.ts'
import { Cluster, campaignOf } from './support/cluster.ts'
import { honest } from './support/function-executor.ts'

let cluster: Cluster
let directory: string
beforeEach(async () => {
  cluster = new Cluster()
  directory = await mkdtemp(join(tmpdir(), 'askee-ledger-'))
})
afterEach(async () => {
  await cluster.stop()
  await rm(directory, { recursive: true })
})

it('CMP-6 credit survives a restart of the worker, with the settlements that the requester signed', async () => {
  const journal = join(directory, 'ledger.db')
  const requester = await cluster.requester()
  const { worker } = await cluster.volunteer(honest, { init: { journal } })
  await cluster.volunteers(2)
  const boss = cluster.requesterIdentity.id
  await requester.wait(await requester.submit(campaignOf(5)))
  await expect.poll(() => worker.status().credit.get(boss)).toBe(20n)
  await requester.wait(await requester.submit(campaignOf(5)))
  await expect.poll(() => worker.status().credit.get(boss)).toBe(40n)
  await worker.stop()
  const ledger = openLedger(journal)
  expect(ledger.credit()).toEqual(new Map([[boss, 40n]]))
  const signed = ledger.documents().flatMap((bytes) => verifySettlement(bytes, boss).value.settlements)
  expect(signed.reduce((sum, { credit }) => sum + credit, 0n)).toBe(40n)
  ledger.close()
  const next = await cluster.volunteer(honest, { init: { journal } })
  expect(next.worker.status().credit.get(boss)).toBe(40n)
})
