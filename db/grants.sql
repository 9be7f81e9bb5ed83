-- What each role may do, whole; applied by the owner after every migration. What is not granted here is not possible.
-- ts_app serves requests: no DDL, and no DELETE but on counters and the job queue's own tables (control C6).
-- ts_maintenance purges.

revoke all on all tables in schema public from public, ts_app, ts_maintenance;
revoke all on all sequences in schema public from public, ts_app, ts_maintenance;
revoke create on schema public from public, ts_app, ts_maintenance;
grant usage on schema public to ts_app, ts_maintenance;

grant select on all tables in schema public to ts_maintenance;

grant select, insert, update on
  users, email_flows, setup_links, invites, data_exports, sessions, refresh_tokens, known_devices,
  totp_factors, recovery_codes, passkeys, auth_challenges, guess_throttles,
  torrents, publications, api_keys, playback_links, keys
to ts_app;
grant select on categories to ts_app;
-- What was verified, and what was answered, stays as it was written.
grant select, insert on torrent_files, torrent_infos, ingest_batches to ts_app;
-- What is found out by looking into a file comes later, and may be found anew.
grant update (examined_at, container, playable, duration_seconds, bytes_per_second, index_at, tracks) on torrent_files to ts_app;
-- An audit row once written stays as it is.
grant select, insert on audit_log to ts_app;
grant select, insert, update, delete on rate_limits, live_streams to ts_app;
-- People's own lists: what somebody watched really goes when they say so.
grant select, insert, update, delete on favorites, watch_history, user_preferences to ts_app;
-- The one thing it may purge: links dead for a day, by a function that looks at the clock of the database itself.
revoke all on function purge_playback_links from public;
grant execute on function purge_playback_links to ts_app;

grant delete on
  email_flows, setup_links, invites, data_exports, sessions, refresh_tokens, known_devices,
  totp_factors, recovery_codes, passkeys, auth_challenges, guess_throttles, ingest_batches, playback_links, live_streams, rate_limits, keys, favorites, watch_history, user_preferences, torrent_files, torrent_infos
to ts_maintenance;
-- Erasing a person empties the columns of their row; the row and its pseudonym stay.
grant update on users to ts_maintenance;

-- Readiness compares the migrations applied with those shipped.
grant usage on schema drizzle to ts_app;
grant select on drizzle.__drizzle_migrations to ts_app;

-- graphile-worker's tables are migrated by the owner; the app role adds and works jobs.
grant usage on schema graphile_worker to ts_app;
grant select, insert, update, delete on all tables in schema graphile_worker to ts_app;
grant usage, select on all sequences in schema graphile_worker to ts_app;
grant execute on all functions in schema graphile_worker to ts_app;

-- Its tables have row-level security on; without a policy the app role would see them empty.
do $$
declare tbl text;
begin
  for tbl in select tablename from pg_tables where schemaname = 'graphile_worker' loop
    execute format('drop policy if exists app_works_jobs on graphile_worker.%I', tbl);
    execute format('create policy app_works_jobs on graphile_worker.%I to ts_app using (true) with check (true)', tbl);
  end loop;
end $$;
