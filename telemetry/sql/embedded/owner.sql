-- Run by psql as the superuser at every start, so that an interrupted first start is completed by the next.
-- The service's own role owns the database and is no superuser; the extension needs one, and is made here.
\set ON_ERROR_STOP on
\set QUIET on
\getenv password TELEMETRY_OWNER_PASSWORD
select 'create role telemetry login' where not exists (select from pg_roles where rolname = 'telemetry') \gexec
alter role telemetry login nosuperuser nocreatedb nocreaterole password :'password';
select 'create database telemetry owner telemetry'
 where not exists (select from pg_database where datname = 'telemetry') \gexec
revoke connect, temporary on database telemetry from public;
\connect telemetry
-- This job of the extension's own belongs to its other edition; here it would fail and say so in the log for ever. Nobody sees it
-- scheduled where that ends in the transaction that makes it; an update of the extension may make it anew.
\set unschedule 'update _timescaledb_config.bgw_job set scheduled = false where scheduled and proc_name = \'policy_job_stat_history_retention\' and current_setting(\'timescaledb.license\') = \'apache\';'
begin;
create extension if not exists timescaledb;
:unschedule
commit;
-- Where the software was replaced by a newer one. It must be the first statement of its session.
\connect telemetry
alter extension timescaledb update;
:unschedule
