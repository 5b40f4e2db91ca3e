//! A worker and the apiserver that it asks, told by seconds.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::effect::Upstream;
use super::*;
use crate::answer::tests::{answer, with_header};
use crate::config::load_policy;
use crate::pod::shared::Unshared;
use crate::policy::key::KeyDigest;
use crate::request::head::Body;
use crate::request::verb::Verb;
use crate::token::tests::{at, created, minted};

/// One worker with a policy, and what the apiserver answers to its calls.
pub(crate) struct Gateway {
    pub(crate) worker: Worker,
    pub(crate) policy: Policy,
    memory: Unshared,
    pub(crate) now: Now,
    pub(crate) source: Option<&'static [u8]>,
    /// To TokenRequests.
    pub(crate) token: Answer,
    /// The keys of the cluster, and how often they were fetched.
    keys: Answer,
    fetched: usize,
    /// How many TokenRequests there were.
    pub(crate) asked: usize,
    told: Vec<String>,
    pub(crate) verdicts: Vec<(u32, Verdict<'static>)>,
    pub(crate) resent: Vec<Call>,
}

pub(crate) fn arrival(headers: &HeaderList) -> Arrival<'_> {
    Arrival { headers, body: Body::Empty, source: None }
}

impl Gateway {
    pub(crate) fn new(policy: Policy, now: Now) -> Self {
        let mut worker = Worker::default();
        worker.sweep.policy_loaded(&policy);
        Self {
            worker,
            policy,
            memory: Unshared::default(),
            now,
            source: None,
            token: Answer::None,
            keys: Answer::None,
            fetched: 0,
            asked: 0,
            told: Vec::new(),
            verdicts: Vec::new(),
            resent: Vec::new(),
        }
    }

    pub(crate) fn request<'a>(
        &mut self,
        headers: &'a HeaderList,
        body: Body,
    ) -> Option<Verdict<'a>> {
        let arrival = Arrival { headers, body, source: self.source };
        self.worker.request(&self.policy, 1, &arrival, &self.memory, self.now)
    }

    /// What becomes of a request, after a token was asked for if there is none.
    pub(crate) fn judge<'a>(&mut self, headers: &'a HeaderList, body: Body) -> Verdict<'a> {
        if let Some(verdict) = self.request(headers, body) {
            return verdict;
        }
        self.tick();
        let (stream, verdict) = self.verdicts.pop().expect("it has been resumed");
        assert_eq!(stream, 1);
        verdict
    }

    /// The request of [`judge`](Self::judge) has ended.
    pub(crate) fn end(&mut self) {
        self.worker.ended(1, &self.memory);
    }

    pub(crate) fn tick(&mut self) {
        let effects = self.worker.tick(&self.policy, &self.memory, self.now);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Notice(notice) => self.told.push(notice.to_string()),
                Effect::Policy(_) | Effect::PolicyRefused => panic!("it is no live policy"),
                Effect::Resume { stream, verdict } => self.verdicts.push((stream, verdict)),
                Effect::Call(call) => self.call(call),
            }
        }
    }

    fn call(&mut self, call: Call) {
        let reply = match call.purpose {
            Purpose::Token(_) => {
                self.asked += 1;
                self.token.clone()
            }
            Purpose::Resend { .. } | Purpose::Wait { .. } => return self.resent.push(call),
            Purpose::Event | Purpose::Policy(_) => panic!("it is no live policy"),
            Purpose::IssuerKeys { .. } => panic!("its policy names no issuer"),
            Purpose::Discovery(_) => answer("200", br#"{"issuer":"https://cluster"}"#),
            Purpose::Identity(_) => {
                answer("201", br#"{"status":{"userInfo":{"username":"gateway"}}}"#)
            }
            Purpose::Keys { .. } => {
                self.fetched += 1;
                self.keys.clone()
            }
        };
        self.answer(call.purpose, &reply);
    }

    pub(crate) fn answer(&mut self, purpose: Purpose, answer: &Answer) {
        let Self { worker, policy, memory, now, .. } = self;
        let effects = worker.answered(policy, purpose, answer, memory, *now);
        self.carry_out(effects);
    }
}

pub(super) const PODS: &str = "/api/v1/namespaces/d/pods";

fn policy(gateway: &str) -> Policy {
    policy_with(gateway, "enforcement: enforce")
}

/// The same, with something more of its client.
pub(crate) fn policy_with(gateway: &str, client: &str) -> Policy {
    let digest = KeyDigest::of(b"k").to_hex();
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{{gateway}}}, clients: [{{name: sql, keys: [{{sha256: {digest}}}], \
         serviceAccount: {{namespace: d, name: reader}}, roles: [r], {client}}}], roles: [{{name: r, rules: [\
         {{namespaces: [d], apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch, create]}}]}}]}}"
    );
    load_policy(&text).unwrap().policy
}

fn gateway() -> Gateway {
    let mut gateway = Gateway::new(policy("tokenVerification: claimsOnly"), at(1000));
    gateway.token = minted("system:serviceaccount:d:reader", 1000, 1600);
    gateway
}

/// A request of this verb that has been sent.
pub(crate) fn sent(verb: Verb) -> Sent {
    let headers = list();
    let mut gateway = gateway();
    let Verdict::Forward(forward) = gateway.judge(&headers, Body::Empty) else { panic!() };
    let mut sent = forward.sent().clone();
    sent.subject.verb = Some(verb);
    sent
}

pub(crate) fn list() -> HeaderList {
    HeaderList::of(&[(":method", "GET"), (":path", PODS), ("x-api-key", "k")])
}

/// `allowed`, or the code and the sentence.
pub(crate) fn told(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Answer(reply) => {
            format!("{} {}", reply.code, String::from_utf8_lossy(&reply.body).trim_end())
        }
        Verdict::Forward(_) => "allowed".to_string(),
        Verdict::Refuse(refused) => {
            format!("{} {}", refused.refusal.reply().code, refused.refusal)
        }
    }
}

/// An answer in JSON.
pub(crate) fn json(status: &str, body: &[u8]) -> Answer {
    with_header(answer(status, body), "content-type", "application/json")
}

fn original(path: &str) -> Option<Original> {
    let headers = HeaderList::of(&[(":method", "POST"), (":path", path), ("x-api-key", "k")]);
    Some(Original { headers, body: b"{}".to_vec() })
}

fn watch() -> Option<Original> {
    let headers = HeaderList::of(&[
        (":method", "GET"),
        (":path", "/api/v1/namespaces/d/pods?watch=1"),
        ("x-api-key", "k"),
    ]);
    Some(Original { headers, body: Vec::new() })
}

/// Sends a list request, which the apiserver then does not accept, though it has for
/// a while.
fn rejected(gateway: &mut Gateway, original: Option<Original>) -> Option<Verdict<'static>> {
    let headers = list();
    let Verdict::Forward(forward) = gateway.judge(&headers, Body::Empty) else { panic!() };
    let sent = forward.sent().clone();
    gateway.now = at(1010);
    let Gateway { worker, policy, now, .. } = gateway;
    worker.unauthorized(policy, 7, &sent, original, *now)
}

#[test]
fn a_thousand_requests_wait_for_one_token() {
    let mut gateway = gateway();
    let headers = list();
    for stream in 0..1000 {
        let Gateway { worker, policy, memory, now, .. } = &mut gateway;
        assert!(worker.request(policy, stream, &arrival(&headers), memory, *now).is_none());
    }
    gateway.tick();
    assert_eq!((gateway.asked, gateway.verdicts.len()), (1, 1000));
    assert!(gateway.verdicts.iter().all(|(_, verdict)| told(verdict) == "allowed"));
}

#[test]
fn a_wait_ends_when_it_was_said_to() {
    let mut gateway = gateway();
    gateway.policy = policy("tokenVerification: claimsOnly, tokenWaitSeconds: 3");
    let headers = list();
    // Another worker asks, and does not come back.
    let mut other = Worker::default();
    other.request(&gateway.policy, 1, &arrival(&headers), &gateway.memory, gateway.now);
    other.tick(&gateway.policy, &gateway.memory, gateway.now);
    let Gateway { worker, policy, memory, now, .. } = &mut gateway;
    assert!(worker.request(policy, 1, &arrival(&headers), memory, *now).is_none());
    for (second, expected) in [(1000, 0), (1002, 0), (1003, 1)] {
        gateway.now = at(second);
        gateway.tick();
        assert_eq!(gateway.verdicts.len(), expected, "{second}");
    }
    let (_, verdict) = &gateway.verdicts[0];
    assert_eq!(
        told(verdict),
        "503 no token for the ServiceAccount d/reader came in time: try again"
    );
    assert_eq!(gateway.asked, 0);
}

#[test]
fn what_one_worker_got_serves_the_others() {
    let mut gateway = gateway();
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
    gateway.worker = Worker::default();
    gateway.token = Answer::None;
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
    assert_eq!(gateway.asked, 1);
}

#[test]
fn a_refusal_names_the_account_and_the_cause_until_it_is_mended() {
    let mut gateway = gateway();
    let good = core::mem::replace(&mut gateway.token, answer("404", br#"{"message":"gone"}"#));
    let sentence = "503 no token for the ServiceAccount d/reader can be had: asking for it was answered 404: gone: create the ServiceAccount, or correct the client's `serviceAccount`";
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), sentence);
    gateway.token = good;
    gateway.now = at(1004);
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), sentence);
    gateway.now = at(1006);
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
}

#[test]
fn a_token_that_was_not_accepted_is_replaced_and_the_request_sent_once_more() {
    let mut gateway = gateway();
    assert!(rejected(&mut gateway, original(PODS)).is_none());
    gateway.tick();
    assert_eq!(gateway.asked, 2);
    let call = gateway.resent.pop().unwrap();
    assert_eq!((call.upstream, &call.body[..]), (Upstream::Clients, &b"{}"[..]));
    let mut names: Vec<_> = call.headers.0.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ":authority",
            ":method",
            ":path",
            ":scheme",
            "accept",
            "authorization",
            "content-type",
            "user-agent",
        ]
    );
    gateway.answer(call.purpose, &json("200", b"{}"));
    let (stream, verdict) = gateway.verdicts.pop().unwrap();
    assert_eq!((stream, told(&verdict)), (7, "200 {}".to_string()));
}

#[test]
fn a_second_401_is_the_gateways_fault_not_the_clients() {
    let mut gateway = gateway();
    assert!(rejected(&mut gateway, original(PODS)).is_none());
    gateway.tick();
    let call = gateway.resent.pop().unwrap();
    gateway.answer(call.purpose, &answer("401", b"{}"));
    let (_, verdict) = gateway.verdicts.pop().unwrap();
    let sentence = "503 the apiserver answered 401 to the token of the ServiceAccount d/reader: try again; if it stays so, look at what stands behind this resource, and at the client's `audiences`";
    assert_eq!(told(&verdict), sentence);
    assert!(gateway.resent.is_empty());
}

#[test]
fn what_cannot_be_sent_again_is_refused() {
    for original in [None, watch()] {
        let verdict = rejected(&mut gateway(), original).unwrap();
        assert!(told(&verdict).starts_with("503 the apiserver answered 401"), "{verdict:?}");
    }
}

#[test]
#[rustfmt::skip]
fn the_answer_to_the_second_attempt_is_passed_on_if_it_is_the_apiservers() {
    let nothing = "409 the apiserver did not answer; whether the change was carried out is not known: look at the object before you send it again";
    for (answer, expected) in [
        (json("201", b"{}"),              "201 {}"),
        (json("404", b"{}"),              "404 {}"),
        (json("503", b"{}"),              "409 the apiserver answered 503; whether the change was carried out is not known: look at the object before you send it again"),
        (answer("503", b"upstream"),      "409 the apiserver answered 503; whether the change was carried out is not known: look at the object before you send it again"),
        (answer("504", b"upstream"),      "409 the apiserver answered 504; whether the change was carried out is not known: look at the object before you send it again"),
        (answer("", b""),                 nothing),
        (Answer::None,                    nothing),
    ] {
        let mut gateway = gateway();
        rejected(&mut gateway, original(PODS));
        gateway.tick();
        let call = gateway.resent.pop().unwrap();
        gateway.answer(call.purpose, &answer);
        assert_eq!(told(&gateway.verdicts.pop().unwrap().1), expected);
    }
}

#[test]
fn a_second_attempt_that_is_cancelled_without_a_word_is_answered() {
    let mut gateway = gateway();
    rejected(&mut gateway, original(PODS));
    gateway.tick();
    gateway.now = at(1076);
    gateway.tick();
    let (stream, verdict) = gateway.verdicts.pop().unwrap();
    assert_eq!((stream, told(&verdict).starts_with("409")), (7, true));
}

#[test]
fn a_stream_that_has_ended_is_not_resumed() {
    let mut gateway = gateway();
    let headers = list();
    let Gateway { worker, policy, memory, now, .. } = &mut gateway;
    worker.request(policy, 1, &arrival(&headers), memory, *now);
    worker.ended(1, memory);
    gateway.tick();
    assert!(gateway.verdicts.is_empty());
    rejected(&mut gateway, original(PODS));
    gateway.tick();
    gateway.worker.ended(7, &gateway.memory);
    let call = gateway.resent.pop().unwrap();
    gateway.answer(call.purpose, &json("200", b"{}"));
    assert!(gateway.verdicts.is_empty());
}

#[test]
fn a_warm_gateway_asks_before_it_is_asked() {
    let mut gateway = gateway();
    gateway.policy = policy("tokenVerification: claimsOnly, warmUp: true");
    gateway.tick();
    assert_eq!(gateway.asked, 1);
    gateway.token = minted("system:serviceaccount:d:reader", 1480, 2080);
    gateway.now = at(1480);
    gateway.tick();
    assert_eq!(gateway.asked, 2);
}

#[test]
fn without_the_clusters_keys_no_token_is_asked_for() {
    let mut gateway = gateway();
    gateway.policy = policy("");
    let said = told(&gateway.judge(&list(), Body::Empty));
    assert!(said.starts_with("503 no token for the ServiceAccount d/reader can be had: the cluster's signing keys, to check tokens against, cannot be had: nothing answered"), "{said}");
    assert_eq!(gateway.asked, 0);
    assert!(gateway.told.iter().any(|line| line.contains("claimsOnly")), "{:?}", gateway.told);
}

#[test]
fn a_late_401_for_an_old_token_does_not_cost_the_new_one() {
    let mut gateway = gateway();
    let headers = list();
    let Verdict::Forward(first) = gateway.judge(&headers, Body::Empty) else { panic!() };
    let old = first.sent().clone();
    rejected(&mut gateway, original(PODS));
    gateway.tick();
    assert_eq!(gateway.asked, 2);
    let Gateway { worker, policy, now, .. } = &mut gateway;
    worker.unauthorized(policy, 8, &old, original(PODS), *now);
    gateway.tick();
    // Both requests are sent again, with the one new token.
    assert_eq!((gateway.asked, gateway.resent.len()), (2, 2));
}

#[test]
fn keys_are_fetched_again_when_a_token_names_another_but_not_all_the_time() {
    use jwt_simple::prelude::{
        Claims, Duration as Life, ECDSAP256KeyPairLike, ES256KeyPair, HashSet, UnixTimeStamp,
    };
    let signed = |pair: &ES256KeyPair| {
        let mut claims = Claims::create(Life::from_secs(600))
            .with_issuer("https://cluster")
            .with_subject("system:serviceaccount:d:reader")
            .with_audiences(HashSet::from(["api"]));
        let time = |seconds| Some(UnixTimeStamp::from_secs(seconds));
        (claims.issued_at, claims.invalid_before) = (time(1000), time(1000));
        claims.expires_at = time(1600);
        created(&pair.sign(claims).unwrap())
    };
    let published = |pair: &ES256KeyPair| {
        answer("200", format!(r#"{{"keys":[{}]}}"#, pair.public_key().to_jwk()).as_bytes())
    };
    let (old, new) = (["old", "new"].map(|id| ES256KeyPair::generate().with_key_id(id))).into();
    let mut gateway = gateway();
    gateway.policy = policy("");
    (gateway.keys, gateway.token) = (published(&old), signed(&old));
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
    assert_eq!((gateway.fetched, gateway.asked), (1, 1));

    // The cluster's key is replaced, and the account's token is not accepted any more.
    gateway.token = signed(&new);
    let unknown = "503 no token for the ServiceAccount d/reader can be had: the apiserver gave a token of a key, or an issuer, that it does not publish";
    for (second, fetched, expected) in
        [(1005, 1, unknown), (1012, 2, unknown), (1020, 2, unknown)]
    {
        gateway.now = at(second);
        gateway.worker =
            Worker { tokens: Tokens::default(), ..core::mem::take(&mut gateway.worker) };
        gateway.memory = Unshared::default();
        assert_eq!(told(&gateway.judge(&list(), Body::Empty)), expected, "{second}");
        gateway.tick();
        assert_eq!(gateway.fetched, fetched, "{second}");
    }
    gateway.keys = published(&new);
    gateway.now = at(1030);
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), unknown);
    gateway.now = at(1040);
    assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
}

#[test]
fn one_worker_takes_away_what_nobody_renews_and_tells_when_the_first_token_ends() {
    let mut gateway = gateway();
    gateway.judge(&list(), Body::Empty);
    let mut gauge = |second: u64, name: &str| {
        gateway.now = at(second);
        gateway.tick();
        let samples = gateway.worker.samples(gateway.now);
        let found = samples.into_iter().find(|sample| sample.name == name);
        found.map(|sample| sample.change)
    };
    let held = "keyhole_tokens_held";
    let earliest = "keyhole_token_earliest_expiry_seconds";
    assert_eq!(gauge(1001, held), Some(metrics::Change::Set(1)));
    assert_eq!(gauge(1002, earliest), Some(metrics::Change::Set(523)));
    assert_eq!(gauge(1510, earliest), Some(metrics::Change::Set(15)));
    assert_eq!(gauge(1511, held), Some(metrics::Change::Set(0)));
}

#[test]
fn what_answers_401_for_reasons_of_its_own_costs_the_others_nothing() {
    let mut gateway = gateway();
    assert!(rejected(&mut gateway, original(PODS)).is_none());
    gateway.tick();
    let call = gateway.resent.pop().unwrap();
    gateway.answer(call.purpose, &answer("401", b"{}"));
    for second in [1010, 1012, 1019] {
        gateway.now = at(second);
        let headers = list();
        let Verdict::Forward(forward) = gateway.judge(&headers, Body::Empty) else { panic!() };
        let sent = forward.sent().clone();
        let Gateway { worker, policy, now, .. } = &mut gateway;
        let verdict = worker.unauthorized(policy, 9, &sent, original(PODS), *now).unwrap();
        assert!(told(&verdict).starts_with("503"), "{verdict:?}");
    }
    assert_eq!(gateway.asked, 2);
}

#[test]
fn only_so_many_are_sent_again_at_once() {
    let mut gateway = gateway();
    let headers = list();
    let Verdict::Forward(forward) = gateway.judge(&headers, Body::Empty) else { panic!() };
    let sent = forward.sent().clone();
    gateway.now = at(1010);
    for stream in 0..20 {
        let Gateway { worker, policy, now, .. } = &mut gateway;
        assert!(worker.unauthorized(policy, stream, &sent, original(PODS), *now).is_none());
    }
    gateway.tick();
    assert_eq!(gateway.resent.len(), MOST_RESENT);
    let mut answered = 0;
    while let Some(call) = gateway.resent.pop() {
        gateway.answer(call.purpose, &json("200", b"{}"));
        answered += 1;
    }
    assert_eq!((answered, gateway.verdicts.len()), (20, 20));
}

#[test]
fn an_idle_token_serves_on_though_it_is_taken_from_the_others() {
    let mut gateway = gateway();
    gateway.judge(&list(), Body::Empty);
    gateway.now = at(1512);
    gateway.tick();
    gateway.token = Answer::None;
    gateway.now = at(1513);
    for asked in [1, 2] {
        assert_eq!(told(&gateway.judge(&list(), Body::Empty)), "allowed");
        assert_eq!(gateway.asked, asked);
        gateway.tick();
    }
}

#[test]
fn tokens_of_accounts_that_left_the_policy_are_taken_away() {
    let mut gateway = gateway();
    gateway.judge(&list(), Body::Empty);
    gateway.tick();
    let key = gateway.policy.accounts()[0].shared_key();
    let held = |gateway: &Gateway| {
        String::from_utf8(gateway.memory.get(&key).unwrap().value).unwrap().contains("secret")
    };
    gateway.now = at(1002);
    gateway.tick();
    assert!(held(&gateway));
    let nobody = load_policy("{apiVersion: keyhole/v1, kind: Policy, clients: []}").unwrap();
    gateway.worker.policy_loaded(&nobody, gateway.now);
    gateway.policy = nobody.policy;
    gateway.now = at(1004);
    gateway.tick();
    assert!(!held(&gateway));
}

#[test]
fn tokens_of_accounts_that_left_the_policy_are_not_renewed() {
    let mut gateway = gateway();
    gateway.judge(&list(), Body::Empty);
    gateway.end();
    gateway.now = at(1400);
    gateway.judge(&list(), Body::Empty);
    gateway.end();
    let nobody = "{apiVersion: keyhole/v1, kind: Policy, gateway: {tokenVerification: claimsOnly}, clients: []}";
    let nobody = load_policy(nobody).unwrap();
    gateway.worker.policy_loaded(&nobody, gateway.now);
    gateway.policy = nobody.policy;
    gateway.now = at(1500);
    gateway.tick();
    assert_eq!(gateway.asked, 1);
}

#[test]
fn many_accounts_are_warmed_up_without_a_flood() {
    let clients: Vec<String> = (0..100).map(|n| {
        let digest = KeyDigest::of(&[n]).to_hex();
        format!("{{name: c{n}, keys: [{{sha256: \"{digest}\"}}], serviceAccount: {{namespace: d, name: a{n}}}, roles: []}}")
    }).collect();
    let text = format!(
        "{{apiVersion: keyhole/v1, kind: Policy, gateway: {{tokenVerification: claimsOnly, warmUp: true}}, clients: [{}]}}",
        clients.join(", ")
    );
    let loaded = load_policy(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (mut worker, memory) = (Worker::default(), Unshared::default());
    let calls = |effects: Vec<Effect>| {
        let call = |effect| match effect {
            Effect::Call(Call { purpose: purpose @ Purpose::Token(_), .. }) => Some(purpose),
            _ => None,
        };
        effects.into_iter().filter_map(call).collect::<Vec<_>>()
    };
    let mut pending = calls(worker.tick(&loaded.policy, &memory, at(1000)));
    assert_eq!(pending.len(), 16);
    let mut asked = 0;
    while let Some(purpose) = pending.pop() {
        asked += 1;
        let effects =
            worker.answered(&loaded.policy, purpose, &Answer::None, &memory, at(1000));
        pending.extend(calls(effects));
        assert!(pending.len() <= 16);
    }
    assert_eq!(asked, 100);
}
