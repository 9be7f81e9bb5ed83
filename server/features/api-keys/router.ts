import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { ApiKeyPage, ApiKeyQuery, ApiKeyRef, CreatedApiKey, NewApiKey, RotateApiKey, RotatedApiKey } from './contract.ts'
import { apiKeyPage } from './list-api-keys.ts'
import { makeApiKey, revokeApiKey, rotateApiKey } from './api-keys.ts'

export const apiKeysRouter = router({
  list: can('api_key.manage').meta(rest('GET /admin/api-keys', 'listApiKeys', 'API keys', 'Keys of machines, the newest first, those that ended too'))
    .input(ApiKeyQuery).output(ApiKeyPage)
    .query(({ ctx, input }) => apiKeyPage(ctx, input)),
  create: can('api_key.manage').meta({ stepUp: true, ...rest('POST /admin/api-keys', 'createApiKey', 'API keys', 'Make a key for a machine; it is shown once', 201) })
    .input(NewApiKey).output(CreatedApiKey)
    .mutation(({ ctx, input }) => makeApiKey(ctx, input)),
  rotate: can('api_key.manage').meta({ stepUp: true, ...rest('POST /admin/api-keys/{apiKeyId}/rotate', 'rotateApiKey', 'API keys', 'Change the secret of a key; the old one is good for a while yet') })
    .input(RotateApiKey).output(RotatedApiKey)
    .mutation(({ ctx, input }) => rotateApiKey(ctx, input)),
  revoke: can('api_key.manage').meta(rest('DELETE /admin/api-keys/{apiKeyId}', 'revokeApiKey', 'API keys', 'End a key: its next request is refused', 204))
    .input(ApiKeyRef).output(z.void())
    .mutation(async ({ ctx, input }) => void (await revokeApiKey(ctx, input.apiKeyId))),
})
