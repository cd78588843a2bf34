import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventView } from '@askee/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askee } from './askee.ts'
import { grant, type RunningAgent, TestMesh, until } from './mesh.ts'

const DEADLINE_MS = 300_000

let mesh = new TestMesh()
beforeEach(() => {
  mesh = new TestMesh()
})
afterEach(() => mesh.stop())

const inMesh = (name: string): string => join(mesh.directory, name)
const audit = (name: string, ...args: string[]) => askee(['audit', ...args, '--data', inMesh(name)])
const acts = async (agent: RunningAgent, about: string) =>
  (await agent.client.auditLog({ about, limit: 1000 })).entries

/** Until other nodes have cosigned all that was done before. Each look is an act, and costs them something too. */
async function witnessed(agent: RunningAgent, by: number): Promise<void> {
  await until('connected', async () => (await agent.client.status()).peers.length >= by)
  await until('cosigned', async () => {
    const { verdict, latest } = await agent.client.verifyAudit()
    if (verdict === 'whole' && (latest?.cosignedBy.length ?? 0) >= by) return true
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    return false
  })
}

async function alarmOf(events: AsyncGenerator<EventView>): Promise<EventView | undefined> {
  for await (const event of events) if (event.type === 'audit-alarm') return event
  return undefined
}

describe('a node that is put back to an older state', () => {
  it(
    'STO-1 is found when all its files are older together: named, held, told, and taken up again by its owner alone',
    async () => {
      const one = await mesh.start('one')
      const two = await mesh.start('two', one.addresses)
      const both = [...one.addresses, ...two.addresses]
      const before = await mesh.start('node', both)
      await grant(before, one)
      // What strangers do with their logs does not grow this one's.
      await grant(one, before)
      await witnessed(before, 2)
      await before.stop()
      cpSync(inMesh('node'), inMesh('copy'), { recursive: true })

      const after = await mesh.start('node', both)
      const [consent] = await after.client.consents()
      await after.client.revoke(consent?.id ?? '', 'no longer')
      await witnessed(after, 2)
      await after.stop()

      // Every file at once, the keys and the file of generations too: each fits the others.
      rmSync(inMesh('node'), { recursive: true })
      cpSync(inMesh('copy'), inMesh('node'), { recursive: true })
      // It would find its peers by itself, and with them at once what they know.
      rmSync(inMesh('node/peers'), { recursive: true })
      const node = await mesh.start('node')
      expect((await node.client.status()).audit.alarms).toEqual([])
      const alarm = alarmOf(node.client.events())
      await node.client.dial(one.addresses[0] as string)
      expect(await alarm).toMatchObject({ code: expect.stringMatching(/^audit\/(rolled-back|forked)$/) })

      const { audit: held } = await node.client.status()
      expect(held.state).toBe('held')
      expect([one.node, two.node]).toContain(held.alarms[0]?.witness)
      const status = await askee(['status', '--data', inMesh('node')])
      expect(status.stdout).toMatch(/ALARM {5}audit\/(rolled-back|forked)/)
      const verified = await audit('node', 'verify', '--json')
      expect(verified.code).toBe(1)
      const { verdict, alarms } = JSON.parse(verified.stdout)
      expect([verdict, alarms[0]]).toEqual(['changed', held.alarms[0]])
      expect((await acts(node, 'audit-log')).at(-1)).toMatchObject({ action: 'audit.alarm' })
      // The consent that was revoked is live again in the old copy until the mesh tells of it; nothing is done under it, nor is
      // another one given.
      expect((await node.client.consents())[0]?.id).toBe(consent?.id)
      await expect(grant(node, two)).rejects.toMatchObject({ code: held.alarms[0]?.code })

      await node.kill()
      const again = await mesh.start('node', both)
      const { audit: still } = await again.client.status()
      expect(still.state).toBe('held')
      expect(still.alarms[0]).toEqual(held.alarms[0])
      const accepted = await audit('node', 'accept', '--reason', 'a copy was put back', '--json')
      const { audit: anew, suspended } = JSON.parse(accepted.stdout)
      expect(anew).toMatchObject({ alarms: [], began: { reason: 'a copy was put back' } })
      // Suspended, where the mesh has not told yet that it was revoked.
      expect([[], [consent?.id]]).toContainEqual(suspended)
      const [back] = await again.client.consents()
      expect(back).toMatchObject({ live: false, phase: expect.stringMatching(/^(suspended|revoked)$/) })
      await witnessed(again, 2)
      expect((await acts(one, again.node)).at(-1)).toMatchObject({
        action: 'audit.peer-began-anew',
        content: { reason: 'a copy was put back', log: anew.began.log },
      })
      if (back?.phase === 'suspended') await again.client.revoke(back.id, 'still no longer')
      await grant(again, two)
      expect((await audit('node', 'accept', '--reason', 'x', '--json')).stdout).toContain('nothing-to-accept')
    },
    DEADLINE_MS,
  )

  it(
    'AUD-1 begins its log anew when only its keys came back, and says so: no silence, and no alarm for ever',
    async () => {
      const peer = await mesh.start('peer')
      // Nothing is wrong, and nobody else says so: that is no OK.
      expect((await peer.client.status()).audit).toMatchObject({ state: 'unwitnessed', cosigned: null })
      const alone = await audit('peer', 'verify')
      expect(alone).toMatchObject({ code: 4, stdout: expect.stringContaining('NOT CONFIRMED') })
      expect(alone.stdout).not.toContain('nothing was changed')
      const node = await mesh.start('node', peer.addresses)
      await grant(peer, node)
      await witnessed(node, 1)
      const secret = inMesh('passphrase')
      writeFileSync(secret, 'correct horse battery staple\n', { mode: 0o600 })
      const file = inMesh('keys.backup')
      const keys = (name: string, ...args: string[]) =>
        askee(['keys', ...args, '--passphrase-file', secret, '--data', inMesh(name)])
      expect((await keys('node', 'backup', file)).code).toBe(0)
      await node.stop()
      expect((await keys('new', 'restore', file)).code).toBe(0)

      const restored = await mesh.start('new', peer.addresses)
      expect(restored.node).toBe(node.node)
      await until('found', async () => (await restored.client.status()).audit.state === 'held')
      expect((await restored.client.status()).audit.alarms).toMatchObject([
        { code: 'audit/log-anew', witness: peer.node },
      ])
      await restored.client.acceptAudit({ reason: 'the disk was lost' })
      await witnessed(restored, 1)
      expect((await acts(peer, restored.node)).at(-1)).toMatchObject({ action: 'audit.peer-began-anew' })

      await restored.stop()
      const later = await mesh.start('new', peer.addresses)
      await witnessed(later, 1)
      expect((await later.client.status()).audit).toMatchObject({ state: 'good', alarms: [] })
    },
    DEADLINE_MS,
  )
})
