import { z } from 'zod'
import { Id, line } from '../../kit/zod.ts'

export const BanUser = z.strictObject({ userId: Id, reason: line(200) })
