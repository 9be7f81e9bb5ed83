-- Made by "npm run generate" from a migrated database. Do not edit: write a migration.

create extension btree_gin;
create extension pg_trgm;
create extension unaccent;

CREATE OR REPLACE FUNCTION public.immutable_unaccent(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN unaccent('unaccent'::regdictionary, value);

CREATE OR REPLACE FUNCTION public.purge_playback_links(at timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare gone bigint;
begin
  delete from public.playback_links where expires_at < least(at, now()) - interval '1 day';
  get diagnostics gone = row_count;
  return gone;
end $function$;

CREATE OR REPLACE FUNCTION public.search_query(typed text)
 RETURNS tsquery
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN (SELECT CASE WHEN (((query.query)::text ~ '''$'::text) AND ((query.query)::text !~ '!''([^'']|'''')*''$'::text)) THEN (((query.query)::text || ':*'::text))::tsquery ELSE query.query END AS query FROM websearch_to_tsquery('simple'::regconfig, immutable_unaccent(search_query.typed)) query(query));

create table api_keys (
  id uuid not null,
  name text not null,
  key_hash bytea not null,
  scopes text[] not null,
  trusted boolean not null default false,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  revoked_at timestamp(3) with time zone,
  last_used_at timestamp(3) with time zone,
  previous_hash bytea,
  previous_expires_at timestamp(3) with time zone,
  sources text[],
  requests_per_minute integer,
  rotated_at timestamp(3) with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_previous CHECK (((previous_hash IS NULL) = (previous_expires_at IS NULL))),
  constraint api_keys_rate CHECK ((requests_per_minute > 0)),
  constraint api_keys_key_hash_unique UNIQUE (key_hash),
  constraint api_keys_previous_hash_unique UNIQUE (previous_hash)
);

create table audit_log (
  id bigint not null generated always as identity,
  at timestamp(3) with time zone not null,
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  target_kind text,
  target_id text,
  details jsonb not null default '{}'::jsonb,
  request_id text,
  constraint audit_log_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_log_actor_idx ON public.audit_log USING btree (actor_id, at);
CREATE INDEX audit_log_at_idx ON public.audit_log USING btree (at);
CREATE INDEX audit_log_target_idx ON public.audit_log USING btree (target_kind, target_id);

create table auth_challenges (
  id uuid not null,
  kind text not null,
  user_id uuid,
  session_id uuid,
  session_kind text not null,
  device_name text,
  device_platform text,
  device_id uuid,
  webauthn_challenge bytea,
  tries_left smallint not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  used_at timestamp(3) with time zone,
  constraint auth_challenges_pkey PRIMARY KEY (id),
  constraint auth_challenges_kind CHECK ((kind = ANY (ARRAY['second_factor'::text, 'passkey_sign_in'::text, 'passkey_enrolment'::text, 'step_up'::text]))),
  constraint auth_challenges_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX auth_challenges_expiry_idx ON public.auth_challenges USING btree (expires_at);
CREATE INDEX auth_challenges_user_idx ON public.auth_challenges USING btree (user_id, created_at);

create table categories (
  id text not null,
  label text not null,
  "position" smallint not null,
  constraint categories_pkey PRIMARY KEY (id)
);

create table data_exports (
  id uuid not null,
  user_id uuid not null,
  created_at timestamp(3) with time zone not null,
  ready_at timestamp(3) with time zone,
  sealed bytea,
  token_hash bytea,
  expires_at timestamp(3) with time zone not null,
  fetched_at timestamp(3) with time zone,
  constraint data_exports_pkey PRIMARY KEY (id),
  constraint data_exports_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id),
  constraint data_exports_token_hash_unique UNIQUE (token_hash)
);
CREATE INDEX data_exports_expiry_idx ON public.data_exports USING btree (expires_at);
CREATE INDEX data_exports_user_idx ON public.data_exports USING btree (user_id, created_at);

create table email_flows (
  id uuid not null,
  kind text not null,
  email_lookup bytea not null,
  email_sealed bytea not null,
  name text,
  locale text not null,
  password_hash text,
  code_hash bytea,
  tries_left smallint not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  used_at timestamp(3) with time zone,
  user_id uuid,
  invite_id uuid,
  resends_left smallint not null default 0,
  constraint email_flows_pkey PRIMARY KEY (id),
  constraint email_flows_kind CHECK ((kind = ANY (ARRAY['sign_up'::text, 'password_reset'::text, 'email_change'::text]))),
  constraint email_flows_invite_id_invites_id_fk FOREIGN KEY (invite_id) REFERENCES invites(id),
  constraint email_flows_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX email_flows_expiry_idx ON public.email_flows USING btree (expires_at);
CREATE INDEX email_flows_lookup_idx ON public.email_flows USING btree (email_lookup, created_at);
CREATE INDEX email_flows_user_idx ON public.email_flows USING btree (user_id) WHERE (user_id IS NOT NULL);

create table favorites (
  user_id uuid not null,
  torrent_id uuid not null,
  added_at timestamp(3) with time zone not null,
  constraint favorites_user_id_torrent_id_pk PRIMARY KEY (user_id, torrent_id),
  constraint favorites_torrent_id_torrents_id_fk FOREIGN KEY (torrent_id) REFERENCES torrents(id),
  constraint favorites_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX favorites_newest_idx ON public.favorites USING btree (user_id, added_at DESC NULLS LAST, torrent_id DESC NULLS LAST);

create table guess_throttles (
  key bytea not null,
  failures integer not null,
  last_failure_at timestamp(3) with time zone not null,
  blocked_until timestamp(3) with time zone,
  constraint guess_throttles_pkey PRIMARY KEY (key)
);
CREATE INDEX guess_throttles_last_idx ON public.guess_throttles USING btree (last_failure_at);

create table ingest_batches (
  id uuid not null,
  api_key_id uuid not null,
  idempotency_key text,
  request_hash bytea not null,
  source text not null,
  answer jsonb not null,
  created_at timestamp(3) with time zone not null,
  constraint ingest_batches_pkey PRIMARY KEY (id),
  constraint ingest_batches_api_key_id_api_keys_id_fk FOREIGN KEY (api_key_id) REFERENCES api_keys(id)
);
CREATE INDEX ingest_batches_created_idx ON public.ingest_batches USING btree (created_at);
CREATE UNIQUE INDEX ingest_batches_idempotency_idx ON public.ingest_batches USING btree (api_key_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

create table invites (
  id uuid not null,
  code_hash bytea not null,
  created_by uuid not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  used_at timestamp(3) with time zone,
  used_by uuid,
  revoked_at timestamp(3) with time zone,
  constraint invites_pkey PRIMARY KEY (id),
  constraint invites_created_by_users_id_fk FOREIGN KEY (created_by) REFERENCES users(id),
  constraint invites_used_by_users_id_fk FOREIGN KEY (used_by) REFERENCES users(id),
  constraint invites_code_hash_unique UNIQUE (code_hash)
);
CREATE INDEX invites_created_idx ON public.invites USING btree (created_at);

create table keys (
  id text not null,
  kind text not null,
  sealed bytea not null,
  created_at timestamp(3) with time zone not null,
  retired_at timestamp(3) with time zone,
  constraint keys_pkey PRIMARY KEY (id),
  constraint keys_kind CHECK ((kind = ANY (ARRAY['access_token'::text, 'playback_ticket'::text, 'cursor'::text, 'csrf'::text, 'column'::text, 'lookup'::text])))
);
CREATE INDEX keys_kind_idx ON public.keys USING btree (kind, created_at);

create table known_devices (
  id uuid not null,
  user_id uuid not null,
  token_hash bytea not null,
  name text,
  platform text,
  created_at timestamp(3) with time zone not null,
  last_seen_at timestamp(3) with time zone not null,
  removed_at timestamp(3) with time zone,
  constraint known_devices_pkey PRIMARY KEY (id),
  constraint known_devices_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id),
  constraint known_devices_token_hash_unique UNIQUE (token_hash)
);
CREATE INDEX known_devices_user_idx ON public.known_devices USING btree (user_id) WHERE (removed_at IS NULL);

create unlogged table live_streams (
  link_id uuid not null,
  file_index integer not null,
  node_id uuid not null,
  started_at timestamp(3) with time zone not null,
  bytes_sent bigint not null,
  bytes_per_second bigint not null,
  seen_at timestamp(3) with time zone not null,
  constraint live_streams_link_id_file_index_node_id_pk PRIMARY KEY (link_id, file_index, node_id),
  constraint live_streams_link_id_playback_links_id_fk FOREIGN KEY (link_id) REFERENCES playback_links(id) ON DELETE CASCADE
);

create table passkeys (
  id uuid not null,
  user_id uuid not null,
  credential_id bytea not null,
  public_key bytea not null,
  counter bigint not null,
  transports text[] not null,
  backed_up boolean not null,
  name text not null,
  created_at timestamp(3) with time zone not null,
  last_used_at timestamp(3) with time zone,
  removed_at timestamp(3) with time zone,
  constraint passkeys_pkey PRIMARY KEY (id),
  constraint passkeys_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id),
  constraint passkeys_credential_id_unique UNIQUE (credential_id)
);
CREATE INDEX passkeys_user_idx ON public.passkeys USING btree (user_id) WHERE (removed_at IS NULL);

create table playback_links (
  id uuid not null,
  kind text not null,
  user_id uuid not null,
  session_id uuid not null,
  torrent_id uuid not null,
  file_index integer not null,
  created_at timestamp(3) with time zone not null,
  last_used_at timestamp(3) with time zone,
  expires_at timestamp(3) with time zone not null,
  ended_at timestamp(3) with time zone,
  constraint playback_links_pkey PRIMARY KEY (id),
  constraint playback_links_session_id_sessions_public_id_fk FOREIGN KEY (session_id) REFERENCES sessions(public_id),
  constraint playback_links_torrent_id_torrents_id_fk FOREIGN KEY (torrent_id) REFERENCES torrents(id),
  constraint playback_links_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX playback_links_expiry_idx ON public.playback_links USING btree (expires_at);
CREATE INDEX playback_links_session_idx ON public.playback_links USING btree (session_id);
CREATE INDEX playback_links_torrent_idx ON public.playback_links USING btree (torrent_id);

create table publications (
  id uuid not null,
  node_id uuid not null,
  request jsonb not null,
  state text not null,
  web_seed boolean not null,
  created_at timestamp(3) with time zone not null,
  started_at timestamp(3) with time zone,
  finished_at timestamp(3) with time zone,
  bytes_read bigint not null default 0,
  fault_code text,
  fault text,
  torrent_id uuid,
  info_hash text,
  folder text,
  constraint publications_pkey PRIMARY KEY (id),
  constraint publications_outcome CHECK ((((state = 'published'::text) = (torrent_id IS NOT NULL)) AND ((state = 'failed'::text) = (fault IS NOT NULL)))),
  constraint publications_state CHECK ((state = ANY (ARRAY['waiting'::text, 'published'::text, 'failed'::text]))),
  constraint publications_torrent_id_torrents_id_fk FOREIGN KEY (torrent_id) REFERENCES torrents(id)
);
CREATE INDEX publications_node_idx ON public.publications USING btree (node_id, state, created_at);
CREATE INDEX publications_torrent_idx ON public.publications USING btree (torrent_id);

create unlogged table rate_limits (
  key text not null,
  points integer not null default 0,
  expire bigint,
  constraint rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_expire_idx ON public.rate_limits USING btree (expire);

create table recovery_codes (
  id uuid not null,
  user_id uuid not null,
  code_hash bytea not null,
  created_at timestamp(3) with time zone not null,
  used_at timestamp(3) with time zone,
  removed_at timestamp(3) with time zone,
  constraint recovery_codes_pkey PRIMARY KEY (id),
  constraint recovery_codes_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX recovery_codes_user_idx ON public.recovery_codes USING btree (user_id) WHERE ((used_at IS NULL) AND (removed_at IS NULL));

create table refresh_tokens (
  id uuid not null,
  session_id text not null,
  token_hash bytea not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  spent_at timestamp(3) with time zone,
  successor_id uuid,
  successor_sealed bytea,
  retry_until timestamp(3) with time zone,
  constraint refresh_tokens_pkey PRIMARY KEY (id),
  constraint refresh_tokens_session_id_sessions_id_fk FOREIGN KEY (session_id) REFERENCES sessions(id),
  constraint refresh_tokens_token_hash_unique UNIQUE (token_hash)
);
CREATE INDEX refresh_tokens_retry_idx ON public.refresh_tokens USING btree (retry_until) WHERE (successor_sealed IS NOT NULL);
CREATE INDEX refresh_tokens_session_idx ON public.refresh_tokens USING btree (session_id);

create table sessions (
  id text not null,
  public_id uuid not null,
  user_id uuid not null,
  kind text not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  absolute_expires_at timestamp(3) with time zone not null,
  ended_at timestamp(3) with time zone,
  end_reason text,
  device_name text,
  device_platform text,
  authenticated_at timestamp(3) with time zone not null,
  methods text[] not null,
  last_seen_at timestamp(3) with time zone not null,
  network text,
  device_id uuid,
  step_up_failures smallint not null default 0,
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_kind CHECK ((kind = ANY (ARRAY['app'::text, 'console'::text]))),
  constraint sessions_device_id_known_devices_id_fk FOREIGN KEY (device_id) REFERENCES known_devices(id),
  constraint sessions_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id),
  constraint sessions_public_id_unique UNIQUE (public_id)
);
CREATE INDEX sessions_ended_idx ON public.sessions USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX sessions_user_idx ON public.sessions USING btree (user_id) WHERE (ended_at IS NULL);

create table setup_links (
  id uuid not null,
  token_hash bytea not null,
  created_at timestamp(3) with time zone not null,
  expires_at timestamp(3) with time zone not null,
  used_at timestamp(3) with time zone,
  constraint setup_links_pkey PRIMARY KEY (id),
  constraint setup_links_token_hash_unique UNIQUE (token_hash)
);

create table torrent_files (
  torrent_id uuid not null,
  index integer not null,
  path text not null,
  size_bytes bigint not null,
  mime_type text not null,
  examined_at timestamp(3) with time zone,
  container text,
  playable text,
  duration_seconds double precision,
  bytes_per_second bigint,
  index_at text,
  tracks jsonb,
  constraint torrent_files_torrent_id_index_pk PRIMARY KEY (torrent_id, index),
  constraint torrent_files_examined CHECK (((examined_at IS NOT NULL) OR (playable IS NULL))),
  constraint torrent_files_index_at CHECK ((index_at = ANY (ARRAY['start'::text, 'end'::text]))),
  constraint torrent_files_playable CHECK ((playable = ANY (ARRAY['direct'::text, 'external_player'::text, 'no'::text]))),
  constraint torrent_files_rate CHECK ((bytes_per_second > 0)),
  constraint torrent_files_torrent_id_torrents_id_fk FOREIGN KEY (torrent_id) REFERENCES torrents(id)
);

create table torrent_infos (
  torrent_id uuid not null,
  info bytea not null,
  constraint torrent_infos_pkey PRIMARY KEY (torrent_id),
  constraint torrent_infos_torrent_id_torrents_id_fk FOREIGN KEY (torrent_id) REFERENCES torrents(id)
);

create table torrents (
  id uuid not null,
  info_hash text not null,
  title text not null,
  description text,
  category_id text not null,
  language text,
  licence text,
  source text not null,
  source_url text,
  state text not null,
  trackers text[] not null,
  web_seeds text[] not null,
  verified_at timestamp(3) with time zone,
  size_bytes bigint,
  seeders integer,
  leechers integer,
  created_at timestamp(3) with time zone not null,
  approved_at timestamp(3) with time zone,
  decided_at timestamp(3) with time zone,
  decision_reason text,
  decision_note text,
  search tsvector not null generated always as ((setweight(to_tsvector('simple'::regconfig, immutable_unaccent(title)), 'A'::"char") || setweight(to_tsvector('simple'::regconfig, immutable_unaccent(COALESCE(description, ''::text))), 'C'::"char"))) stored,
  poster_url text,
  constraint torrents_pkey PRIMARY KEY (id),
  constraint torrents_approved_is_verified CHECK (((state <> 'approved'::text) OR ((verified_at IS NOT NULL) AND (approved_at IS NOT NULL)))),
  constraint torrents_info_hash CHECK ((info_hash ~ '^[0-9a-f]{40}$'::text)),
  constraint torrents_state CHECK ((state = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'taken_down'::text]))),
  constraint torrents_category_id_categories_id_fk FOREIGN KEY (category_id) REFERENCES categories(id),
  constraint torrents_info_hash_unique UNIQUE (info_hash)
);
CREATE INDEX torrents_by_seeders_idx ON public.torrents USING btree (COALESCE(seeders, '-1'::integer) DESC NULLS LAST, id DESC NULLS LAST) WHERE (state = 'approved'::text);
CREATE INDEX torrents_by_size_idx ON public.torrents USING btree (COALESCE(size_bytes, (0)::bigint) DESC NULLS LAST, id DESC NULLS LAST) WHERE (state = 'approved'::text);
CREATE INDEX torrents_by_title_idx ON public.torrents USING btree ("left"(immutable_unaccent(lower(title)), 64), id) WHERE (state = 'approved'::text);
CREATE INDEX torrents_latest_idx ON public.torrents USING btree (approved_at DESC NULLS LAST, id DESC NULLS LAST) WHERE (state = 'approved'::text);
CREATE INDEX torrents_latest_in_category_idx ON public.torrents USING btree (category_id, approved_at DESC NULLS LAST, id DESC NULLS LAST) WHERE (state = 'approved'::text);
CREATE INDEX torrents_latest_of_licence_idx ON public.torrents USING btree (licence, approved_at DESC NULLS LAST, id DESC NULLS LAST) WHERE (state = 'approved'::text);
CREATE INDEX torrents_queue_idx ON public.torrents USING btree (state, created_at, id);
CREATE INDEX torrents_search_idx ON public.torrents USING gin (search) WHERE (state = 'approved'::text);
CREATE INDEX torrents_title_trgm_idx ON public.torrents USING gin (immutable_unaccent(lower(title)) gin_trgm_ops) WHERE (state = 'approved'::text);

create table totp_factors (
  id uuid not null,
  user_id uuid not null,
  secret_sealed bytea not null,
  created_at timestamp(3) with time zone not null,
  confirmed_at timestamp(3) with time zone,
  last_step bigint,
  removed_at timestamp(3) with time zone,
  session_id uuid,
  constraint totp_factors_pkey PRIMARY KEY (id),
  constraint totp_factors_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE UNIQUE INDEX totp_factors_user_idx ON public.totp_factors USING btree (user_id) WHERE ((confirmed_at IS NOT NULL) AND (removed_at IS NULL));

create table user_preferences (
  user_id uuid not null,
  keep_watch_history boolean not null default true,
  theme text not null default 'system'::text,
  audio_language text,
  subtitle_language text,
  show_subtitles boolean not null default false,
  play_next boolean not null default true,
  constraint user_preferences_pkey PRIMARY KEY (user_id),
  constraint user_preferences_theme CHECK ((theme = ANY (ARRAY['system'::text, 'light'::text, 'dark'::text]))),
  constraint user_preferences_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);

create table users (
  id uuid not null,
  pseudonym uuid not null,
  email_lookup bytea,
  email_sealed bytea,
  name text,
  locale text not null default 'en'::text,
  role text not null,
  password_hash text,
  created_at timestamp(3) with time zone not null,
  banned_at timestamp(3) with time zone,
  ban_reason text,
  erase_after timestamp(3) with time zone,
  erased_at timestamp(3) with time zone,
  constraint users_pkey PRIMARY KEY (id),
  constraint users_known_or_erased CHECK (((erased_at IS NOT NULL) OR ((email_lookup IS NOT NULL) AND (email_sealed IS NOT NULL) AND (password_hash IS NOT NULL)))),
  constraint users_role CHECK ((role = ANY (ARRAY['user'::text, 'moderator'::text, 'admin'::text]))),
  constraint users_email_lookup_unique UNIQUE (email_lookup),
  constraint users_pseudonym_unique UNIQUE (pseudonym)
);
CREATE INDEX users_erase_after_idx ON public.users USING btree (erase_after) WHERE ((erased_at IS NULL) AND (erase_after IS NOT NULL));
CREATE INDEX users_role_idx ON public.users USING btree (role) WHERE (role <> 'user'::text);

create table watch_history (
  user_id uuid not null,
  torrent_id uuid not null,
  file_index integer not null,
  position_seconds double precision not null,
  duration_seconds double precision not null,
  watched_at timestamp(3) with time zone not null,
  finished boolean not null generated always as ((position_seconds >= ((0.9)::double precision * duration_seconds))) stored,
  constraint watch_history_user_id_torrent_id_file_index_pk PRIMARY KEY (user_id, torrent_id, file_index),
  constraint watch_history_position CHECK (((position_seconds >= (0)::double precision) AND (position_seconds <= duration_seconds))),
  constraint watch_history_torrent_id_file_index_torrent_files_torrent_id_in FOREIGN KEY (torrent_id, file_index) REFERENCES torrent_files(torrent_id, index),
  constraint watch_history_user_id_users_id_fk FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX watch_history_newest_idx ON public.watch_history USING btree (user_id, watched_at DESC NULLS LAST, torrent_id DESC NULLS LAST, file_index DESC NULLS LAST);
CREATE INDEX watch_history_unfinished_idx ON public.watch_history USING btree (user_id, watched_at DESC NULLS LAST, torrent_id DESC NULLS LAST, file_index DESC NULLS LAST) WHERE (NOT finished);

grant insert, select, update on api_keys to ts_app;
grant insert, select on audit_log to ts_app;
grant insert, select, update on auth_challenges to ts_app;
grant select on categories to ts_app;
grant insert, select, update on data_exports to ts_app;
grant insert, select, update on email_flows to ts_app;
grant delete, insert, select, update on favorites to ts_app;
grant insert, select, update on guess_throttles to ts_app;
grant insert, select on ingest_batches to ts_app;
grant insert, select, update on invites to ts_app;
grant insert, select, update on keys to ts_app;
grant insert, select, update on known_devices to ts_app;
grant delete, insert, select, update on live_streams to ts_app;
grant insert, select, update on passkeys to ts_app;
grant insert, select, update on playback_links to ts_app;
grant insert, select, update on publications to ts_app;
grant delete, insert, select, update on rate_limits to ts_app;
grant insert, select, update on recovery_codes to ts_app;
grant insert, select, update on refresh_tokens to ts_app;
grant insert, select, update on sessions to ts_app;
grant insert, select, update on setup_links to ts_app;
grant insert, select on torrent_files to ts_app;
grant update (bytes_per_second) on torrent_files to ts_app;
grant update (container) on torrent_files to ts_app;
grant update (duration_seconds) on torrent_files to ts_app;
grant update (examined_at) on torrent_files to ts_app;
grant update (index_at) on torrent_files to ts_app;
grant update (playable) on torrent_files to ts_app;
grant update (tracks) on torrent_files to ts_app;
grant insert, select on torrent_infos to ts_app;
grant insert, select, update on torrents to ts_app;
grant insert, select, update on totp_factors to ts_app;
grant delete, insert, select, update on user_preferences to ts_app;
grant insert, select, update on users to ts_app;
grant delete, insert, select, update on watch_history to ts_app;
grant select on api_keys to ts_maintenance;
grant select on audit_log to ts_maintenance;
grant delete, select on auth_challenges to ts_maintenance;
grant select on categories to ts_maintenance;
grant delete, select on data_exports to ts_maintenance;
grant delete, select on email_flows to ts_maintenance;
grant delete, select on favorites to ts_maintenance;
grant delete, select on guess_throttles to ts_maintenance;
grant delete, select on ingest_batches to ts_maintenance;
grant delete, select on invites to ts_maintenance;
grant delete, select on keys to ts_maintenance;
grant delete, select on known_devices to ts_maintenance;
grant delete, select on live_streams to ts_maintenance;
grant delete, select on passkeys to ts_maintenance;
grant delete, select on playback_links to ts_maintenance;
grant select on publications to ts_maintenance;
grant delete, select on rate_limits to ts_maintenance;
grant delete, select on recovery_codes to ts_maintenance;
grant delete, select on refresh_tokens to ts_maintenance;
grant delete, select on sessions to ts_maintenance;
grant delete, select on setup_links to ts_maintenance;
grant delete, select on torrent_files to ts_maintenance;
grant delete, select on torrent_infos to ts_maintenance;
grant select on torrents to ts_maintenance;
grant delete, select on totp_factors to ts_maintenance;
grant delete, select on user_preferences to ts_maintenance;
grant select, update on users to ts_maintenance;
grant delete, select on watch_history to ts_maintenance;
