#!/usr/bin/env bash
# A real Apache Kafka as jars in .build/kafka/libs, for the engine tests; deploy/kafka/start.sh runs it.
#   KAFKA_VERSION=4.3.1   another version than the one in deploy/kafka/pom.xml
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

from=$ROOT/deploy/kafka
to=$BUILD/kafka
log=$BUILD/log/kafka.log

now=$(stamp "$from/pom.xml" "${KAFKA_VERSION:-}")
if [ "$(cat "$to/.stamp" 2>/dev/null)" = "$now" ]; then
  say "already installed"
  exit 0
fi
need java "install a Java 17 runtime (openjdk-17-jre-headless)"
need mvn "install Maven (package maven)"

say "copying the jars of Kafka to $to/libs"
rm -rf "$to"
logged "$log" mvn -B -ntp -f "$from/pom.xml" ${KAFKA_VERSION:+-Dkafka.version=$KAFKA_VERSION} \
  dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$to/libs" ||
  die "Maven could not fetch Kafka; is Maven Central reachable? $WHY"
echo "$now" >"$to/.stamp"
