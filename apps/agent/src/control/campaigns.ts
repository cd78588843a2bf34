import { cancelSchema, submitSchema } from '@askee/client'
import type { Requester } from '@askee/compute'
import { AskeeError, type BlockStore, type Digest, type Fuel, parse } from '@askee/core'
import type { FastifyInstance } from 'fastify'
import { campaignView } from './views.ts'

/** Largest single module or input sent to the control API. */
const MAX_BLOCK_BYTES = 64 * 1024 * 1024

type ById = { Params: { id: string } }

/** Blocks in, campaigns out. An id may be cut short while it names one campaign alone. */
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
  server.get<ById>('/v1/campaigns/:id', async ({ params }) =>
    campaignView(requester.report(requester.find(params.id))),
  )
  server.get<ById>('/v1/campaigns/:id/wait', async ({ params }, reply) => {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort(new AskeeError('control/gone', 'the client went away')))
    return campaignView(await requester.wait(requester.find(params.id), gone.signal))
  })
  server.post<ById>('/v1/campaigns/:id/cancel', async ({ params, body }) => {
    const id = requester.find(params.id)
    await requester.cancel(id, parse(body, cancelSchema).reason)
    return campaignView(requester.report(id))
  })
}
