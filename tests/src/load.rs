//! A bounded load of ordinary requests, each judged by its answer.

mod outcome;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

pub use self::outcome::{Outcome, Summary};
use crate::accounts::Caller;
use crate::client::Response;
use crate::stack::Stack;

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WHO_AM_I: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const WHO: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// So many threads, each with a pause after each request.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Becomes a label of what is made: no two loads may share it.
    pub name: &'a str,
    pub threads: usize,
    pub pause: Duration,
    pub duration: Duration,
}

/// What the load of one name left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    pub objects: usize,
    /// Objects beyond the first of one request.
    pub duplicates: usize,
}

#[derive(Clone, Copy)]
enum Request {
    Pods,
    WhoAmI,
    Named,
    Generated,
}

/// One request in six makes an object.
const MIX: [Request; 12] = {
    use Request::{Generated, Named, Pods, WhoAmI};
    [Pods, WhoAmI, Pods, Named, Pods, WhoAmI, Pods, WhoAmI, Pods, Generated, Pods, WhoAmI]
};

// === impl Load ===

impl Load<'_> {
    /// Sends until the time is over, or `stop` says so; every request that was begun
    /// is waited for.
    pub fn run(&self, callers: &[Caller], stop: &AtomicBool) -> Summary {
        let end = Instant::now() + self.duration;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || self.one_thread(thread, callers, end, stop)))
                .collect();
            let mut summary = Summary::default();
            for thread in threads {
                summary.add(thread.join().expect("a load does not panic"));
            }
            summary
        })
    }

    fn one_thread(
        &self,
        thread: usize,
        callers: &[Caller],
        end: Instant,
        stop: &AtomicBool,
    ) -> Summary {
        let mut summary = Summary::default();
        for n in 0.. {
            if Instant::now() >= end || stop.load(Ordering::Relaxed) {
                break;
            }
            let caller = &callers[(thread + n) % callers.len()];
            let request = MIX[(thread + n / callers.len()) % MIX.len()];
            let id = format!("{}-{thread}-{n}", self.name);
            let begun = Instant::now();
            let answer = request.send(caller, self.name, &id);
            let latency = begun.elapsed();
            summary.count(request.judge(caller, &answer), latency);
            if request.mutates() {
                summary.mutations += 1;
                summary.created += usize::from(answer.is_ok_and(|a| a.status == 201));
            }
            thread::sleep(self.pause);
        }
        summary
    }
}

// === impl Request ===

impl Request {
    fn send(self, caller: &Caller, load: &str, id: &str) -> Result<Response> {
        let labels = json!({"load": load, "request": id});
        let named = |field: &str, name: String| {
            let metadata = json!({field: name, "labels": labels});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).to_string()
        };
        match self {
            Self::Pods => caller.client.get(PODS),
            Self::WhoAmI => caller.client.post(WHO_AM_I, WHO),
            Self::Named => caller.client.post(CONFIG_MAPS, &named("name", id.to_owned())),
            Self::Generated => {
                caller.client.post(CONFIG_MAPS, &named("generateName", format!("{id}-")))
            }
        }
    }

    fn judge(self, caller: &Caller, answer: &Result<Response>) -> Outcome {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Outcome::Lost(format!("{error:#}")),
        };
        let right = match self {
            Self::Pods => answer.status == 200 && answer.field("/kind") == "PodList",
            Self::WhoAmI => {
                let user = answer.field("/status/userInfo/username");
                answer.status == 201 && user == caller.user()
            }
            Self::Named | Self::Generated => {
                answer.status == 201 && answer.field("/kind") == "ConfigMap"
            }
        };
        if right { Outcome::Ok } else { Outcome::of_refusal(answer) }
    }

    fn mutates(self) -> bool {
        matches!(self, Self::Named | Self::Generated)
    }
}

// === impl Stack ===

impl Stack {
    /// What the load of this name made, as the apiserver lists it.
    pub fn made(&self, load: &str) -> Result<Made> {
        let selector = format!("load={load}");
        let listed = self.kubectl(&[
            "get",
            "configmaps",
            "-n",
            "default",
            "-l",
            &selector,
            "-o",
            "json",
        ])?;
        let listed: Value = serde_json::from_str(&listed)?;
        let objects = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
        let mut requests: Vec<&Value> =
            objects.iter().map(|object| &object["metadata"]["labels"]["request"]).collect();
        requests.sort_unstable_by_key(|request| request.as_str());
        requests.dedup();
        Ok(Made { objects: objects.len(), duplicates: objects.len() - requests.len() })
    }
}
