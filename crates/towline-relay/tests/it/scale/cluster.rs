//! Relays on a cluster of Redis servers, and on several servers of which one is the primary.

use super::redis::Redis;
use super::{first, order, refusal, shared, taken, until, upstream};
use crate::support::{Relay, config, soon, stop_all};

/// The slot of all keys of the relays.
const SLOT: &str = "8914";

/// Three primaries with a third of the slots each, and a replica of the second one, which has the relays' slot.
struct Cluster {
    primaries: Vec<Redis>,
    replica: Redis,
}

impl Cluster {
    /// A cluster that replaces a primary after this silence.
    async fn start(silence_ms: &str) -> Self {
        let start = || Redis::start_with(&["--cluster-enabled", "yes", "--cluster-node-timeout", silence_ms]);
        let cluster = Self { primaries: vec![start(), start(), start()], replica: start() };
        let slots = ["0 5000", "5001 10000", "10001 16383"];
        for (nth, (server, slots)) in cluster.primaries.iter().zip(slots).enumerate() {
            done(server, &format!("CLUSTER SET-CONFIG-EPOCH {}", nth + 1));
            done(server, &format!("CLUSTER ADDSLOTSRANGE {slots}"));
        }
        for server in cluster.others() {
            done(server, &format!("CLUSTER MEET 127.0.0.1 {}", cluster.owner().port));
        }
        assert!(cluster.owner().say("CLUSTER KEYSLOT {towline}:").starts_with(&format!(":{SLOT}")));
        // A server must know the primary before it becomes its replica.
        let owner = id(cluster.owner());
        once(|| cluster.replica.say(&format!("CLUSTER REPLICATE {owner}")).starts_with("+OK")).await;
        once(|| cluster.replica.say("INFO replication").contains("master_link_status:up")).await;
        for server in cluster.all() {
            once(|| server.say("CLUSTER INFO").contains("cluster_state:ok")).await;
            // A primary that does not know that this is its replica ignores that it wants to take over.
            once(|| server.say("CLUSTER NODES").contains(&format!("slave {owner}"))).await;
        }
        cluster
    }

    /// The primary that has the relays' keys.
    fn owner(&self) -> &Redis {
        &self.primaries[1]
    }

    fn all(&self) -> impl Iterator<Item = &Redis> {
        self.primaries.iter().chain([&self.replica])
    }

    fn others(&self) -> impl Iterator<Item = &Redis> {
        self.all().filter(|server| server.port != self.owner().port)
    }
}

/// Returns once it is so.
async fn once(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    soon(waiting).await;
}

fn id(server: &Redis) -> String {
    server.say("CLUSTER MYID").lines().nth(1).unwrap().to_owned()
}

fn done(server: &Redis, command: &str) {
    let said = server.say(command);
    assert!(said.starts_with("+OK"), "{command}: {said}");
}

fn is_primary(server: &Redis) -> bool {
    server.say("ROLE").contains("master")
}

/// Both relays run new answers, and each knows the other's.
async fn go_on(a: &Relay, b: &Relay) {
    for (relay, other) in [(a, b), (b, a)] {
        let begun = taken(&relay.client, &[("towline-detach", "true")], "short").await.json().await;
        let id = begun["id"].as_str().unwrap();
        assert_eq!(until(other, id, |job| !job["ended_at"].is_null()).await["state"], "completed");
    }
}

/// A server that does not have the relays' keys leads to the one that has them, also after these have changed places.
#[tokio::test(flavor = "multi_thread")]
async fn relays_on_a_cluster_follow_their_keys() {
    let (cluster, upstream) = (Cluster::start("60000").await, upstream());
    let url = cluster.primaries[0].url();
    let mut config = shared(config(&upstream.url()), &url);
    config.store.replicas = 1;
    let (a, b) = (Relay::start(config.clone()).await, Relay::start(config).await);
    let id = a.detached("stalling").await;
    until(&b, &id, |job| job["state"] == "streaming").await;
    assert_eq!(order(&b, &id, "cancel", serde_json::json!({})).await.0, 202);
    assert_eq!(a.ended(&id).await["state"], "cancelled");
    let (log, cancelled) = (a.log(&id).await, id);
    assert_eq!(b.log(&cancelled).await, log);

    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    done(&cluster.replica, "CLUSTER FAILOVER");
    once(|| is_primary(&cluster.replica) && !is_primary(cluster.owner())).await;
    for relay in [&a, &b] {
        assert_eq!(relay.log(&cancelled).await, log, "no read fails because of it");
    }
    upstream.open("go");
    let whole = soon(tail.text()).await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    assert_eq!(a.ended(&id).await["state"], "completed");
    go_on(&a, &b).await;
    assert_eq!(a.log(&id).await, whole);
    assert_eq!(b.log(&id).await, whole);
    let said = refusal(&format!("{url}/2"), &upstream).await;
    assert!(said.ends_with("Redis refused: ERR SELECT is not allowed in cluster mode"), "{said}");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_the_death_of_the_server_of_a_cluster_that_has_their_keys() {
    let (mut cluster, upstream) = (Cluster::start("2000").await, upstream());
    let url = format!("{},127.0.0.1:{}", cluster.owner().url(), cluster.primaries[2].port);
    let config = shared(config(&upstream.url()), &url);
    let (a, b) = (Relay::start(config.clone()).await, Relay::start(config).await);
    let id = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    cluster.owner().is_copied_to(&cluster.replica);
    cluster.primaries[1].kill();
    upstream.open("go");
    let whole = soon(tail.text()).await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    assert_eq!(a.ended(&id).await["state"], "completed");
    assert!(is_primary(&cluster.replica));
    go_on(&a, &b).await;
    assert_eq!(a.log(&id).await, whole);
    assert_eq!(b.log(&id).await, whole);
    stop_all([a, b]).await;
}

/// While the keys are moved one by one, no script runs on half of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_continues_where_its_slot_is_moved_to() {
    let (cluster, upstream) = (Cluster::start("60000").await, upstream());
    let (from, to) = (cluster.owner(), &cluster.primaries[2]);
    let config = shared(config(&upstream.url()), &cluster.primaries[0].url());
    let (a, b) = (Relay::start(config.clone()).await, Relay::start(config).await);
    let answer = a.detached("gated").await;
    let mut tail = b.get(&format!("/streams/{answer}?live=raw")).await;
    tail.until(first()).await;
    done(to, &format!("CLUSTER SETSLOT {SLOT} IMPORTING {}", id(from)));
    done(from, &format!("CLUSTER SETSLOT {SLOT} MIGRATING {}", id(to)));
    upstream.open("go");
    soon(async { while a.get("/readyz").await.status == 200 {} }).await;
    loop {
        let keys = from.say(&format!("CLUSTER GETKEYSINSLOT {SLOT} 1"));
        let Some(key) = keys.lines().nth(2) else { break };
        done(from, &format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port));
    }
    for server in [to, from, &cluster.primaries[0]] {
        done(server, &format!("CLUSTER SETSLOT {SLOT} NODE {}", id(to)));
    }
    let whole = soon(tail.text()).await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    for relay in [&a, &b] {
        assert_eq!(relay.ended(&answer).await["state"], "completed");
        assert_eq!(relay.log(&answer).await, whole);
    }
    let no = to.say("SMEMBERS {towline}:all").lines().nth(2).unwrap().to_owned();
    assert!(to.say(&format!("EXISTS {{towline}}:z:{no}")).starts_with(":1"), "the script ran to its end");
    stop_all([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_an_address_are_tried_until_one_is_the_primary() {
    let (mut redis, upstream) = (Redis::start(), upstream());
    let replica = redis.replica();
    let url = format!("{},127.0.0.1:{}", replica.url(), redis.port);
    let relay = Relay::start(shared(config(&upstream.url()), &url)).await;
    let id = relay.detached("gated").await;
    let mut tail = relay.get(&format!("/streams/{id}?live=raw")).await;
    tail.until(first()).await;
    redis.is_copied_to(&replica);
    redis.kill();
    replica.say("REPLICAOF NO ONE");
    upstream.open("go");
    let whole = soon(tail.text()).await;
    assert!(whole.contains("\"done\":true"), "{whole}");
    assert_eq!(relay.ended(&id).await["state"], "completed");
    relay.stop().await;
}
