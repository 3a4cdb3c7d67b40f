#!/usr/bin/env bash
# One Kafka broker with share groups on 127.0.0.1:PORT, its data in DIR, in the foreground.
# It survives a kill: the same DIR goes on where it stopped. Its log goes to standard output.
#   start.sh DIR PORT [key=value ...]     broker settings that replace those below
#   CONTROLLER_PORT=   the controller's port on 127.0.0.1 (default: a free one)
#   KAFKA_HEAP=512m    heap of the broker
set -euo pipefail

die() {
  echo "start.sh: $*" >&2
  exit 1
}

[ $# -ge 2 ] || die "usage: start.sh DIR PORT [key=value ...]"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libs=$here/../../.build/kafka/libs
[ -d "$libs" ] || die "Kafka is not installed; run make engines"
command -v java >/dev/null || die "java is not installed; install openjdk-17-jre-headless"
mkdir -p "$1"
dir=$(cd "$1" && pwd) port=$2
shift 2

in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range that the kernel hands to outgoing connections and to listeners on port 0.
free_port() {
  local try candidate
  for try in $(seq 50); do
    candidate=$((20000 + RANDOM % 10000))
    in_use "$candidate" || { echo "$candidate"; return; }
  done
  die "found no free port for the controller; set CONTROLLER_PORT"
}

in_use "$port" && die "port $port is in use; choose another"
controller=${CONTROLLER_PORT:-$(free_port)}

cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data

# One node: every internal topic has one replica, and few partitions make the start fast.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# After a kill the controller waits this long before it takes the broker back.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A record whose worker was killed comes back after its lock, a dead member leaves after its session.
group.share.delivery.count.limit=10
group.share.min.record.lock.duration.ms=1000
group.share.record.lock.duration.ms=15000
group.share.min.heartbeat.interval.ms=1000
group.share.heartbeat.interval.ms=2000
group.share.min.session.timeout.ms=6000
group.share.session.timeout.ms=10000
# After a restart of the broker share groups get no partitions until this long after their last set-up (default 30 s).
group.share.initialize.retry.interval.ms=1000

# Sized for a small machine.
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
printf '%s\n' "$@" >>"$dir/server.properties"

jvm=(-Dlog4j2.configurationFile="$here/log4j2.properties" -Djava.awt.headless=true -cp "$libs/*")
# The cluster id is fixed, so that formatting again, after a kill in its midst too, is harmless.
if [ ! -e "$dir/data/meta.properties" ]; then
  java -Xmx128m -XX:TieredStopAtLevel=1 "${jvm[@]}" kafka.tools.StorageTool format \
    --cluster-id RWFyc2hvdEthZmthVGVzdA --config "$dir/server.properties" --ignore-formatted ||
    die "could not format $dir/data; remove it and try again"
fi
exec java "-Xmx${KAFKA_HEAP:-512m}" -XX:+ExitOnOutOfMemoryError "${jvm[@]}" \
  kafka.Kafka "$dir/server.properties"
