-- What people keep for themselves, and keys that can be changed without a break.
CREATE TABLE "favorites" (
	"user_id" uuid NOT NULL,
	"torrent_id" uuid NOT NULL,
	"added_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "favorites_user_id_torrent_id_pk" PRIMARY KEY("user_id","torrent_id")
);
--> statement-breakpoint
CREATE TABLE "user_preferences" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"keep_watch_history" boolean DEFAULT true NOT NULL,
	"theme" text DEFAULT 'system' NOT NULL,
	"audio_language" text,
	"subtitle_language" text,
	"show_subtitles" boolean DEFAULT false NOT NULL,
	"play_next" boolean DEFAULT true NOT NULL,
	CONSTRAINT "user_preferences_theme" CHECK ("user_preferences"."theme" in ('system', 'light', 'dark'))
);
--> statement-breakpoint
CREATE TABLE "watch_history" (
	"user_id" uuid NOT NULL,
	"torrent_id" uuid NOT NULL,
	"file_index" integer NOT NULL,
	"position_seconds" double precision NOT NULL,
	"duration_seconds" double precision NOT NULL,
	"watched_at" timestamp (3) with time zone NOT NULL,
	"finished" boolean GENERATED ALWAYS AS (position_seconds >= 0.9 * duration_seconds) STORED NOT NULL,
	CONSTRAINT "watch_history_user_id_torrent_id_file_index_pk" PRIMARY KEY("user_id","torrent_id","file_index"),
	CONSTRAINT "watch_history_position" CHECK ("watch_history"."position_seconds" >= 0 and "watch_history"."position_seconds" <= "watch_history"."duration_seconds")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_hash" "bytea";--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "previous_expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "sources" text[];--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "requests_per_minute" integer;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "rotated_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "favorites" ADD CONSTRAINT "favorites_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "favorites" ADD CONSTRAINT "favorites_torrent_id_torrents_id_fk" FOREIGN KEY ("torrent_id") REFERENCES "public"."torrents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_preferences" ADD CONSTRAINT "user_preferences_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "watch_history" ADD CONSTRAINT "watch_history_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "watch_history" ADD CONSTRAINT "watch_history_torrent_id_file_index_torrent_files_torrent_id_index_fk" FOREIGN KEY ("torrent_id","file_index") REFERENCES "public"."torrent_files"("torrent_id","index") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "favorites_newest_idx" ON "favorites" USING btree ("user_id","added_at" DESC NULLS LAST,"torrent_id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "watch_history_newest_idx" ON "watch_history" USING btree ("user_id","watched_at" DESC NULLS LAST,"torrent_id" DESC NULLS LAST,"file_index" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "watch_history_unfinished_idx" ON "watch_history" USING btree ("user_id","watched_at" DESC NULLS LAST,"torrent_id" DESC NULLS LAST,"file_index" DESC NULLS LAST) WHERE not finished;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_previous_hash_unique" UNIQUE("previous_hash");--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_rate" CHECK ("api_keys"."requests_per_minute" > 0);--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_previous" CHECK (("api_keys"."previous_hash" is null) = ("api_keys"."previous_expires_at" is null));