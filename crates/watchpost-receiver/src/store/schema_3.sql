-- Schema 3: the logs of all levels are read as those of each level, merged; one index less to keep for each log.
DROP INDEX logs_by_time;
