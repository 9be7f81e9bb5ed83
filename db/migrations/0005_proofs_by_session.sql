ALTER TABLE "totp_factors" ADD COLUMN "session_id" uuid;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "step_up_failures" smallint DEFAULT 0 NOT NULL;