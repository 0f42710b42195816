-- name: versions
select
    current_setting('server_version'),
    (select extversion from pg_extension where extname = 'timescaledb'),
    (select max(number) from migration);

-- name: database size
select pg_database_size(current_database());

-- name: restore target
select
    (select default_version from pg_available_extensions where name = 'timescaledb'),
    to_regclass('migration') is not null;

-- name: extension
create extension if not exists timescaledb;

-- name: before restore
select timescaledb_pre_restore();

-- name: after restore
select timescaledb_post_restore();

-- name: analyze
analyze;
