#!/bin/sh
# Brings the engine's two databases to the schema of this version of its tools. Can run again at any time.
set -eu
for schema in temporal visibility; do
  case $schema in
    temporal) SQL_DATABASE=temporal ;;
    visibility) SQL_DATABASE=temporal_visibility ;;
  esac
  export SQL_DATABASE
  temporal-sql-tool setup-schema -v 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/$schema"
done
