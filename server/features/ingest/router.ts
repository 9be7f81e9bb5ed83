import { rest, router, withScope } from '../../kit/procedure.ts'
import { BatchRef, IngestBatch, IngestBatchInput } from './contract.ts'
import { batchById, ingestBatch } from './ingest.ts'

/** A .torrent of the largest size taken, as base64, and room for the rest. */
const bodyBytes = 16 * 1024 * 1024

export const ingestRouter = router({
  create: withScope('ingest:write').meta({ limit: 'ingest', bodyBytes, ...rest('POST /ingest/batches', 'createIngestBatch', 'Ingest', 'Offer up to 500 titles to the catalogue', 202) })
    .input(IngestBatchInput).output(IngestBatch)
    .mutation(({ ctx, input }) => ingestBatch(ctx, input)),
  batch: withScope('ingest:write').meta(rest('GET /ingest/batches/{batchId}', 'getIngestBatch', 'Ingest', 'What became of a batch of this key'))
    .input(BatchRef).output(IngestBatch)
    .query(({ ctx, input }) => batchById(ctx, input)),
})
