#!/bin/bash
set -e
{
  echo "path,requests,errors,slowest_ms"
  cat /app/logs/*.log | awk '{ n[$3]++; if ($4 >= 500) e[$3]++; if ($5 > m[$3]) m[$3] = $5 }
    END { for (p in n) printf "%s,%d,%d,%d\n", p, n[p], e[p], m[p] }' | sort
} > /app/report.csv
