CREATE TABLE "categories" (
	"id" text PRIMARY KEY NOT NULL,
	"label" text NOT NULL,
	"position" smallint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "torrent_files" (
	"torrent_id" uuid NOT NULL,
	"index" integer NOT NULL,
	"path" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"mime_type" text NOT NULL,
	CONSTRAINT "torrent_files_torrent_id_index_pk" PRIMARY KEY("torrent_id","index")
);
--> statement-breakpoint
CREATE TABLE "torrent_infos" (
	"torrent_id" uuid PRIMARY KEY NOT NULL,
	"info" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "torrents" (
	"id" uuid PRIMARY KEY NOT NULL,
	"info_hash" text NOT NULL,
	"title" text NOT NULL,
	"description" text,
	"category_id" text NOT NULL,
	"language" text,
	"licence" text,
	"source" text NOT NULL,
	"source_url" text,
	"state" text NOT NULL,
	"trackers" text[] NOT NULL,
	"web_seeds" text[] NOT NULL,
	"verified_at" timestamp (3) with time zone,
	"size_bytes" bigint,
	"seeders" integer,
	"leechers" integer,
	"created_at" timestamp (3) with time zone NOT NULL,
	"approved_at" timestamp (3) with time zone,
	"decided_at" timestamp (3) with time zone,
	"decision_reason" text,
	"decision_note" text,
	"search" "tsvector" GENERATED ALWAYS AS (setweight(to_tsvector('simple', immutable_unaccent(title)), 'A') || setweight(to_tsvector('simple', immutable_unaccent(coalesce(description, ''))), 'C')) STORED NOT NULL,
	CONSTRAINT "torrents_info_hash_unique" UNIQUE("info_hash"),
	CONSTRAINT "torrents_state" CHECK ("torrents"."state" in ('pending', 'approved', 'rejected', 'taken_down')),
	CONSTRAINT "torrents_info_hash" CHECK ("torrents"."info_hash" ~ '^[0-9a-f]{40}$'),
	CONSTRAINT "torrents_approved_is_verified" CHECK ("torrents"."state" <> 'approved' or ("torrents"."verified_at" is not null and "torrents"."approved_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "email_flows" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"email_lookup" "bytea" NOT NULL,
	"email_sealed" "bytea" NOT NULL,
	"name" text,
	"locale" text NOT NULL,
	"password_hash" text NOT NULL,
	"code_hash" "bytea",
	"tries_left" smallint NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "setup_links" (
	"id" uuid PRIMARY KEY NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone,
	CONSTRAINT "setup_links_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"pseudonym" uuid NOT NULL,
	"email_lookup" "bytea" NOT NULL,
	"email_sealed" "bytea" NOT NULL,
	"name" text,
	"locale" text DEFAULT 'en' NOT NULL,
	"role" text NOT NULL,
	"password_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"banned_at" timestamp (3) with time zone,
	"ban_reason" text,
	CONSTRAINT "users_pseudonym_unique" UNIQUE("pseudonym"),
	CONSTRAINT "users_email_lookup_unique" UNIQUE("email_lookup"),
	CONSTRAINT "users_role" CHECK ("users"."role" in ('user', 'moderator', 'admin'))
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"session_id" text NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"spent_at" timestamp (3) with time zone,
	CONSTRAINT "refresh_tokens_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"public_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"absolute_expires_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"end_reason" text,
	"device_name" text,
	"device_platform" text,
	CONSTRAINT "sessions_public_id_unique" UNIQUE("public_id"),
	CONSTRAINT "sessions_kind" CHECK ("sessions"."kind" in ('app', 'console'))
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"scopes" text[] NOT NULL,
	"trusted" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_key_hash_unique" UNIQUE("key_hash")
);
--> statement-breakpoint
CREATE TABLE "ingest_batches" (
	"id" uuid PRIMARY KEY NOT NULL,
	"api_key_id" uuid NOT NULL,
	"idempotency_key" text,
	"request_hash" "bytea" NOT NULL,
	"source" text NOT NULL,
	"answer" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "playback_links" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"user_id" uuid NOT NULL,
	"session_id" uuid NOT NULL,
	"torrent_id" uuid NOT NULL,
	"file_index" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_log_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"actor_kind" text NOT NULL,
	"actor_id" uuid,
	"action" text NOT NULL,
	"target_kind" text,
	"target_id" text,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"request_id" text
);
--> statement-breakpoint
CREATE TABLE "keys" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"retired_at" timestamp (3) with time zone,
	CONSTRAINT "keys_kind" CHECK ("keys"."kind" in ('access_token', 'playback_ticket', 'cursor', 'csrf'))
);
--> statement-breakpoint
CREATE TABLE "rate_limits" (
	"key" text PRIMARY KEY NOT NULL,
	"points" integer DEFAULT 0 NOT NULL,
	"expire" bigint
);
--> statement-breakpoint
ALTER TABLE "torrent_files" ADD CONSTRAINT "torrent_files_torrent_id_torrents_id_fk" FOREIGN KEY ("torrent_id") REFERENCES "public"."torrents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "torrent_infos" ADD CONSTRAINT "torrent_infos_torrent_id_torrents_id_fk" FOREIGN KEY ("torrent_id") REFERENCES "public"."torrents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "torrents" ADD CONSTRAINT "torrents_category_id_categories_id_fk" FOREIGN KEY ("category_id") REFERENCES "public"."categories"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ingest_batches" ADD CONSTRAINT "ingest_batches_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "playback_links" ADD CONSTRAINT "playback_links_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "playback_links" ADD CONSTRAINT "playback_links_session_id_sessions_public_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("public_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "playback_links" ADD CONSTRAINT "playback_links_torrent_id_torrents_id_fk" FOREIGN KEY ("torrent_id") REFERENCES "public"."torrents"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "torrents_latest_idx" ON "torrents" USING btree ("approved_at" DESC NULLS LAST,"id" DESC NULLS LAST) WHERE "torrents"."state" = 'approved';--> statement-breakpoint
CREATE INDEX "torrents_latest_in_category_idx" ON "torrents" USING btree ("category_id","approved_at" DESC NULLS LAST,"id" DESC NULLS LAST) WHERE "torrents"."state" = 'approved';--> statement-breakpoint
CREATE INDEX "torrents_queue_idx" ON "torrents" USING btree ("state","created_at","id");--> statement-breakpoint
CREATE INDEX "torrents_search_idx" ON "torrents" USING gin ("search") WHERE "torrents"."state" = 'approved';--> statement-breakpoint
CREATE INDEX "torrents_title_trgm_idx" ON "torrents" USING gin (immutable_unaccent(lower(title)) gin_trgm_ops) WHERE "torrents"."state" = 'approved';--> statement-breakpoint
CREATE INDEX "email_flows_lookup_idx" ON "email_flows" USING btree ("email_lookup","created_at");--> statement-breakpoint
CREATE INDEX "email_flows_expiry_idx" ON "email_flows" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "users_role_idx" ON "users" USING btree ("role") WHERE "users"."role" <> 'user';--> statement-breakpoint
CREATE INDEX "refresh_tokens_session_idx" ON "refresh_tokens" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "sessions_user_idx" ON "sessions" USING btree ("user_id") WHERE "sessions"."ended_at" is null;--> statement-breakpoint
CREATE INDEX "sessions_ended_idx" ON "sessions" USING btree ("ended_at") WHERE "sessions"."ended_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "ingest_batches_idempotency_idx" ON "ingest_batches" USING btree ("api_key_id","idempotency_key") WHERE "ingest_batches"."idempotency_key" is not null;--> statement-breakpoint
CREATE INDEX "ingest_batches_created_idx" ON "ingest_batches" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "playback_links_session_idx" ON "playback_links" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "playback_links_torrent_idx" ON "playback_links" USING btree ("torrent_id");--> statement-breakpoint
CREATE INDEX "playback_links_expiry_idx" ON "playback_links" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "audit_log_at_idx" ON "audit_log" USING btree ("at");--> statement-breakpoint
CREATE INDEX "audit_log_target_idx" ON "audit_log" USING btree ("target_kind","target_id");--> statement-breakpoint
CREATE INDEX "audit_log_actor_idx" ON "audit_log" USING btree ("actor_id","at");--> statement-breakpoint
CREATE INDEX "keys_kind_idx" ON "keys" USING btree ("kind","created_at");--> statement-breakpoint
CREATE INDEX "rate_limits_expire_idx" ON "rate_limits" USING btree ("expire");