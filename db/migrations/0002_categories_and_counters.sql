-- Counters are rewritten at every request; after a crash they start at zero, which is all they are worth.
alter table rate_limits set unlogged;
--> statement-breakpoint
insert into categories (id, label, position) values
  ('films', 'Films', 1),
  ('series', 'Series', 2),
  ('documentaries', 'Documentaries', 3),
  ('music', 'Music', 4),
  ('audiobooks', 'Audiobooks', 5),
  ('education', 'Education', 6),
  ('other', 'Other', 99);
