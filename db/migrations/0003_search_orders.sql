ALTER TABLE "torrents" ADD COLUMN "poster_url" text;--> statement-breakpoint
CREATE INDEX "torrents_latest_of_licence_idx" ON "torrents" USING btree ("licence","approved_at" DESC NULLS LAST,"id" DESC NULLS LAST) WHERE "torrents"."state" = 'approved';
--> statement-breakpoint
CREATE INDEX "torrents_by_title_idx" ON "torrents" USING btree (left(immutable_unaccent(lower(title)), 64),"id") WHERE "torrents"."state" = 'approved';
--> statement-breakpoint
CREATE INDEX "torrents_by_size_idx" ON "torrents" USING btree (coalesce(size_bytes, 0) desc nulls last,"id" DESC NULLS LAST) WHERE "torrents"."state" = 'approved';
--> statement-breakpoint
CREATE INDEX "torrents_by_seeders_idx" ON "torrents" USING btree (coalesce(seeders, -1) desc nulls last,"id" DESC NULLS LAST) WHERE "torrents"."state" = 'approved';
--> statement-breakpoint
-- What a person typed as a query: phrases, "or" and "-without" as websearch_to_tsquery reads them, and the last word as the
-- beginning of one. Not behind a "-", and not where the last operand is in parentheses, which takes no prefix.
create function search_query(typed text) returns tsquery
  language sql immutable strict parallel safe
  return (
    select case when query::text ~ '''$' and query::text !~ '!''([^'']|'''')*''$' then (query::text || ':*')::tsquery else query end
    from websearch_to_tsquery('simple', immutable_unaccent(typed)) as query
  );
