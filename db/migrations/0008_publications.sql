-- What the operator publishes: which node keeps the bytes, and what became of it.
CREATE TABLE "publications" (
	"id" uuid PRIMARY KEY NOT NULL,
	"node_id" uuid NOT NULL,
	"request" jsonb NOT NULL,
	"state" text NOT NULL,
	"web_seed" boolean NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"bytes_read" bigint DEFAULT 0 NOT NULL,
	"fault_code" text,
	"fault" text,
	"torrent_id" uuid,
	"info_hash" text,
	"folder" text,
	CONSTRAINT "publications_state" CHECK ("publications"."state" in ('waiting', 'published', 'failed')),
	CONSTRAINT "publications_outcome" CHECK (("publications"."state" = 'published') = ("publications"."torrent_id" is not null) and ("publications"."state" = 'failed') = ("publications"."fault" is not null))
);
--> statement-breakpoint
ALTER TABLE "publications" ADD CONSTRAINT "publications_torrent_id_torrents_id_fk" FOREIGN KEY ("torrent_id") REFERENCES "public"."torrents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "publications_node_idx" ON "publications" USING btree ("node_id","state","created_at");--> statement-breakpoint
CREATE INDEX "publications_torrent_idx" ON "publications" USING btree ("torrent_id");