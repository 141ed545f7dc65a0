#!/bin/bash
# Everything in memory: the database is new for every trial.
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin)
data=/tmp/data
"$bin/initdb" --auth=trust --encoding=UTF8 -D "$data" > /dev/null
"$bin/pg_ctl" -D "$data" -w -o "-c listen_addresses= -k /tmp" start > /dev/null
"$bin/psql" -h /tmp -d postgres -q -v ON_ERROR_STOP=1 -f /opt/shop/shop.sql
"$bin/pg_ctl" -D "$data" -w stop > /dev/null
echo "host all all all trust" >> "$data/pg_hba.conf"
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -k /tmp
