import { submitSchema } from '@askee/client'
import type { Requester } from '@askee/compute'
import { AskeeError, type BlockStore, type CampaignId, type Digest, type Fuel, parse } from '@askee/core'
import type { FastifyInstance } from 'fastify'
import { campaignView } from './views.ts'

/** Largest single module or input sent to the control API. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024

/** Blocks in, campaigns out. */
export function campaignRoutes(
  server: FastifyInstance,
  parts: { requester: Requester; blocks: BlockStore },
): void {
  const { requester, blocks } = parts
  server.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer', bodyLimit: MAX_BLOCK_BYTES },
    (_request, body, done) => done(null, body),
  )

  server.post('/v1/blocks', { bodyLimit: MAX_BLOCK_BYTES }, async (request) => {
    if (request.body !== undefined && !Buffer.isBuffer(request.body)) {
      throw new AskeeError('control/bad-request', 'expected application/octet-stream')
    }
    return { digest: await blocks.put(new Uint8Array(request.body ?? Buffer.alloc(0))) }
  })

  const held = async (digest: string): Promise<Uint8Array> => {
    const bytes = await blocks.get(digest as Digest)
    if (bytes === undefined) {
      throw new AskeeError(
        'control/unknown-block',
        `block ${digest} is not held here: send it to /v1/blocks first`,
      )
    }
    return bytes
  }

  server.post('/v1/campaigns', async (request) => {
    const body = parse(request.body, submitSchema)
    const inputs: Uint8Array[] = []
    for (const input of body.inputs) inputs.push(await held(input))
    const id = await requester.submit({
      purpose: body.purpose,
      kind: body.kind,
      module: await held(body.module),
      inputs,
      resources: {
        fuel: BigInt(body.resources.fuel) as Fuel,
        memoryBytes: body.resources.memoryBytes,
        outputBytes: body.resources.outputBytes,
        wallTime: body.resources.wallTimeMs,
      },
      f: body.f,
      engines: body.engines,
      deadline: body.deadlineMs,
      minReputation: body.minReputation,
    })
    return { id }
  })

  server.get('/v1/campaigns', async () => requester.list())
  server.get<{ Params: { id: string } }>('/v1/campaigns/:id', async (request) =>
    campaignView(requester.report(request.params.id as CampaignId)),
  )
  server.get<{ Params: { id: string } }>('/v1/campaigns/:id/wait', async (request, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort(new AskeeError('control/gone', 'the client went away')))
    return campaignView(await requester.wait(request.params.id as CampaignId, gone.signal))
  })
}
