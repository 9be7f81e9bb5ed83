-- What is being streamed, on every node, and the end of old links.
CREATE TABLE "live_streams" (
	"link_id" uuid NOT NULL,
	"file_index" integer NOT NULL,
	"node_id" uuid NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"bytes_sent" bigint NOT NULL,
	"bytes_per_second" bigint NOT NULL,
	"seen_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "live_streams_link_id_file_index_node_id_pk" PRIMARY KEY("link_id","file_index","node_id")
);
--> statement-breakpoint
ALTER TABLE "live_streams" ADD CONSTRAINT "live_streams_link_id_playback_links_id_fk" FOREIGN KEY ("link_id") REFERENCES "public"."playback_links"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
-- What is in flight: written every few seconds, worth nothing after a crash.
alter table live_streams set unlogged;
--> statement-breakpoint
-- The app role may delete no link (control C6); this takes those that nothing can bring back, whatever time the caller names.
create function purge_playback_links(at timestamptz) returns bigint
  language plpgsql volatile security definer set search_path = ''
  as $$
declare gone bigint;
begin
  delete from public.playback_links where expires_at < least(at, now()) - interval '1 day';
  get diagnostics gone = row_count;
  return gone;
end $$;
