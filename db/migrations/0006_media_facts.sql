ALTER TABLE "torrent_files" ADD COLUMN "examined_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "container" text;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "playable" text;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "duration_seconds" double precision;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "bytes_per_second" bigint;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "index_at" text;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD COLUMN "tracks" jsonb;--> statement-breakpoint
ALTER TABLE "torrent_files" ADD CONSTRAINT "torrent_files_playable" CHECK ("torrent_files"."playable" in ('direct', 'external_player', 'no'));--> statement-breakpoint
ALTER TABLE "torrent_files" ADD CONSTRAINT "torrent_files_index_at" CHECK ("torrent_files"."index_at" in ('start', 'end'));--> statement-breakpoint
ALTER TABLE "torrent_files" ADD CONSTRAINT "torrent_files_rate" CHECK ("torrent_files"."bytes_per_second" > 0);--> statement-breakpoint
ALTER TABLE "torrent_files" ADD CONSTRAINT "torrent_files_examined" CHECK ("torrent_files"."examined_at" is not null or "torrent_files"."playable" is null);